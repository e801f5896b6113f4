-- name: acquire
-- $1 domain, $2 now, $3 the delay of a domain met for the first time. Answers the seconds to wait; 0 took the turn.
WITH met AS (
    INSERT INTO domains (domain, delay_s, next_at)
    VALUES (
        $1, $3,
        CASE WHEN $3::double precision > 0 THEN $2::timestamptz + make_interval(secs => $3::double precision) ELSE '-infinity' END
    )
    ON CONFLICT (domain) DO NOTHING
    RETURNING 1
), taken AS (
    -- Where nobody must wait the row stays as it is: else whoever looks at another clock would find it closed.
    UPDATE domains SET next_at = CASE WHEN pace_s > 0 THEN $2 + make_interval(secs => pace_s) ELSE next_at END
    WHERE domain = $1 AND next_at <= $2
    RETURNING 1
)
SELECT CASE
    WHEN EXISTS (SELECT 1 FROM met) OR EXISTS (SELECT 1 FROM taken) THEN 0
    -- Whoever met the domain at the same moment has the turn; its row is not to be seen here yet.
    ELSE greatest(0.001, coalesce(extract(epoch FROM (SELECT next_at FROM domains WHERE domain = $1) - $2), $3))
END::double precision;

-- name: set_delay
-- $1 domain, $2 seconds, $3 now: the request that taught us this was the last one before the new delay.
INSERT INTO domains (domain, delay_s, asked_delay_s, next_at)
VALUES ($1, 0, $2, $3::timestamptz + make_interval(secs => $2::double precision))
ON CONFLICT (domain) DO UPDATE
SET asked_delay_s = excluded.asked_delay_s,
    next_at = greatest(domains.next_at, $3 + make_interval(secs => greatest(domains.delay_s, $2)))
WHERE domains.asked_delay_s <> excluded.asked_delay_s;

-- name: slow
-- $1 domain, $2 now, $3 seconds that the server asked for. Refusals of requests that were under way when the domain was
-- last slowed down count no further. Answers the seconds it is left alone.
UPDATE domains n
SET slow_s = slower.slow_s, slowed_at = CASE WHEN slower.slow_s = n.slow_s THEN n.slowed_at ELSE $2 END,
    next_at = greatest(n.next_at, $2 + make_interval(secs => greatest(slower.slow_s, $3::double precision)))
FROM (
    SELECT o.domain, CASE
        WHEN o.slowed_at + make_interval(secs => o.slow_s) > $2::timestamptz THEN o.slow_s
        ELSE least(300, greatest(2 * o.pace_s, 2))
    END AS slow_s
    FROM domains o WHERE o.domain = $1 FOR UPDATE
) slower
WHERE n.domain = slower.domain
RETURNING extract(epoch FROM n.next_at - $2)::double precision;

-- name: get_robots
SELECT status, body, fetched_at FROM robots WHERE origin = $1;

-- name: put_robots
INSERT INTO robots (origin, status, body, fetched_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (origin) DO UPDATE
SET status = excluded.status, body = excluded.body, fetched_at = excluded.fetched_at
WHERE robots.fetched_at < excluded.fetched_at;
