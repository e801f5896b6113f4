-- name: take_due
-- $1 now, $2 limit, $3 when they are due again unless an outcome is recorded
UPDATE webhook_deliveries w SET next_at = $3, attempt = w.attempt + 1
WHERE w.id IN (
    SELECT d.id FROM webhook_deliveries d
    WHERE d.next_at <= $1
    ORDER BY d.next_at LIMIT $2
    FOR UPDATE SKIP LOCKED
)
RETURNING w.id, w.caller_id, w.job_id, w.url, w.event::text AS event, w.attempt,
    (SELECT j.traceparent FROM jobs j WHERE j.id = w.job_id) AS traceparent;

-- name: record
-- $1 delivery, $2 attempt, $3 now, $4 seconds, $5 status, $6 error, $7 state, $8 next try. A later attempt stays as it is.
WITH moved AS (
    UPDATE webhook_deliveries SET state = $7, next_at = $8, ended_at = CASE WHEN $8::timestamptz IS NULL THEN $3::timestamptz END
    WHERE id = $1 AND attempt = $2
    RETURNING id
)
INSERT INTO webhook_attempts (delivery_id, attempt, at, seconds, status, error)
SELECT $1, $2, $3, $4, $5, $6 FROM webhook_deliveries WHERE id = $1
ON CONFLICT DO NOTHING;

-- name: redeliver
UPDATE webhook_deliveries SET state = 'pending', next_at = $3, ended_at = NULL WHERE id = $1 AND caller_id = $2;

-- name: list
-- $1 caller, $2 job or null, $3 state or null, $4 and $5 time and id of the last one seen, $6 limit
SELECT * FROM webhook_delivery_views
WHERE caller_id = $1 AND ($2::uuid IS NULL OR job_id = $2) AND ($3::text IS NULL OR state = $3)
AND ($4::timestamptz IS NULL OR (created_at, id) < ($4, $5::uuid))
ORDER BY created_at DESC, id DESC LIMIT $6;

-- name: get
SELECT * FROM webhook_delivery_views WHERE caller_id = $1 AND id = $2;
