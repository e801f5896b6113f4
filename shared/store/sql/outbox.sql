-- name: note
INSERT INTO outbox (id, event, due_at)
SELECT o.id, o.event, $3 FROM unnest($1::uuid[], $2::jsonb[]) AS o (id, event)
ON CONFLICT DO NOTHING;

-- name: mark_published
UPDATE outbox SET published_at = $2 WHERE id = ANY ($1::uuid[]) AND published_at IS NULL;

-- name: take_overdue
UPDATE outbox SET due_at = $3
WHERE id IN (
    SELECT o.id FROM outbox o
    WHERE o.published_at IS NULL AND o.due_at <= $1
    ORDER BY o.due_at LIMIT $2
    FOR UPDATE SKIP LOCKED
)
RETURNING event;

-- name: told
-- The workers of these stages are about to hear of work, so no sweep need tell them for a while.
UPDATE turns SET taken_at = greatest(taken_at, $2)
WHERE what IN (SELECT t.what FROM turns t WHERE t.what = ANY ($1::text[]) FOR UPDATE SKIP LOCKED);
