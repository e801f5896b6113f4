-- name: what_time
SELECT platform_time();

-- name: note
-- $1 now. From here on no turn was taken later than now, or nobody would be woken until the clock comes there again.
UPDATE turns SET taken_at = $1 WHERE what = 'clock' OR taken_at > $1;

-- name: noted_since
SELECT EXISTS (SELECT 1 FROM turns WHERE what = 'clock' AND taken_at >= $1);

-- name: waits
-- $1 now, $2 the longest wait and $3 the longest lease, in seconds
UPDATE documents d
SET not_before = least(d.not_before, $1::timestamptz + make_interval(secs => $2::double precision)),
    lease_until = CASE WHEN d.lease_until IS NOT NULL
        THEN least(d.lease_until, $1 + make_interval(secs => $3::double precision)) END
FROM (
    SELECT h.id FROM documents h
    WHERE h.state IN ('pending', 'scraping', 'chunking', 'embedding')
    AND (h.not_before > $1::timestamptz + make_interval(secs => $2::double precision) OR h.lease_until > $1::timestamptz + make_interval(secs => $3::double precision))
    ORDER BY h.id FOR UPDATE
) held
WHERE d.id = held.id;

-- name: domains
UPDATE domains
SET next_at = least(next_at, $1::timestamptz + make_interval(secs => pace_s)), slowed_at = least(slowed_at, $1)
WHERE next_at > $1::timestamptz + make_interval(secs => pace_s) OR slowed_at > $1::timestamptz;

-- name: deliveries
-- $1 now, $2 the longest wait, in seconds
WITH outgoing AS (
    UPDATE outbox SET due_at = $1 WHERE published_at IS NULL AND due_at > $1::timestamptz + make_interval(secs => $2::double precision)
), deleting AS (
    UPDATE deletions SET due_at = $1 WHERE due_at > $1::timestamptz + make_interval(secs => $2::double precision)
)
UPDATE webhook_deliveries SET next_at = $1 WHERE next_at > $1::timestamptz + make_interval(secs => $2::double precision);

-- name: sights
-- What was seen at a moment that has yet to come would hide everything that is seen until then.
WITH shown AS (
    UPDATE pages SET fetched_at = $1 WHERE fetched_at > $1::timestamptz
), hidden AS (
    UPDATE withdrawals SET withdrawn_at = $1 WHERE withdrawn_at > $1
), building AS (
    UPDATE corpora SET vector_index_at = $1 WHERE vector_index_at > $1
)
UPDATE robots SET fetched_at = $1 WHERE fetched_at > $1;
