-- name: acquire
-- $1 domain, $2 now, $3 the delay of a domain met for the first time. Answers the seconds to wait; 0 took the turn.
WITH met AS (
    INSERT INTO domains (domain, delay_s, next_at)
    VALUES ($1, $3, $2::timestamptz + make_interval(secs => $3::double precision))
    ON CONFLICT (domain) DO NOTHING
    RETURNING 1
), taken AS (
    UPDATE domains SET next_at = $2 + make_interval(secs => pace_s) WHERE domain = $1 AND next_at <= $2
    RETURNING 1
)
SELECT CASE
    WHEN EXISTS (SELECT 1 FROM met) OR EXISTS (SELECT 1 FROM taken) THEN 0
    ELSE greatest(0.001, extract(epoch FROM (SELECT next_at FROM domains WHERE domain = $1) - $2))
END::double precision;

-- name: set_delay
-- $1 domain, $2 seconds, $3 now: the request that taught us this was the last one before the new delay.
INSERT INTO domains (domain, delay_s, asked_delay_s, next_at)
VALUES ($1, 0, $2, $3::timestamptz + make_interval(secs => $2::double precision))
ON CONFLICT (domain) DO UPDATE
SET asked_delay_s = excluded.asked_delay_s,
    next_at = greatest(domains.next_at, $3 + make_interval(secs => greatest(domains.delay_s, $2)))
WHERE domains.asked_delay_s <> excluded.asked_delay_s;

-- name: get_robots
SELECT status, body, fetched_at FROM robots WHERE origin = $1;

-- name: put_robots
INSERT INTO robots (origin, status, body, fetched_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (origin) DO UPDATE
SET status = excluded.status, body = excluded.body, fetched_at = excluded.fetched_at
WHERE robots.fetched_at < excluded.fetched_at;
