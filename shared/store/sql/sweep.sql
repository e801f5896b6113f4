-- name: take_turn
-- $1 what, $2 now, $3 when it must have been taken last. One that was taken at a moment far ahead is taken too: the clock
-- was set back since, as any turn may tell.
UPDATE turns SET taken_at = $2
WHERE what = $1 AND (taken_at <= $3 OR taken_at > $2::timestamptz + interval '1 minute')
RETURNING EXISTS (SELECT 1 FROM turns t WHERE t.taken_at > $2 + interval '1 minute') AS set_back;

-- name: expired
SELECT id FROM documents WHERE lease_until <= $1 ORDER BY lease_until LIMIT $2;

-- name: unanswered
SELECT id FROM documents WHERE state = 'chunking' AND not_before <= $1 ORDER BY not_before LIMIT $2;

-- name: finished_jobs
SELECT j.id FROM jobs j
WHERE j.state IN ('accepted', 'running') AND NOT EXISTS (
    SELECT 1 FROM documents d
    WHERE d.job_id = j.id AND d.state IN ('pending', 'scraping', 'chunking', 'embedding')
)
LIMIT $1;

-- name: unheard
SELECT unheard($1, $2);

-- name: overdue
SELECT is_overdue($1);

-- name: long_tallies
SELECT j.id FROM jobs j
WHERE j.state IN ('accepted', 'running')
AND (SELECT count(*) FROM (SELECT 1 FROM job_deltas d WHERE d.job_id = j.id LIMIT $1) few) >= $1
LIMIT 20;

-- name: long_corpora
-- Found by their length alone: a corpus that nothing is added to has one row.
SELECT corpus_id AS id FROM corpus_deltas GROUP BY corpus_id HAVING count(*) >= $1 LIMIT 20;

-- name: fold_corpus
WITH gone AS (
    DELETE FROM corpus_deltas WHERE corpus_id = $1 RETURNING pages, chunks, tokens
)
INSERT INTO corpus_deltas SELECT $1, sum(pages), sum(chunks), sum(tokens) FROM gone HAVING count(*) > 0;

-- name: trim_inbox
DELETE FROM inbox WHERE (source, id) IN (SELECT source, id FROM inbox WHERE received_at < $1 ORDER BY received_at LIMIT $2);

-- name: trim_outbox
DELETE FROM outbox
WHERE id IN (SELECT id FROM outbox WHERE published_at IS NOT NULL AND published_at < $1 ORDER BY published_at LIMIT $2);

-- name: trim_failures
DELETE FROM failures WHERE id IN (SELECT id FROM failures WHERE failed_at < $1 ORDER BY failed_at LIMIT $2);

-- name: trim_dead_letters
DELETE FROM dead_letters
WHERE id IN (SELECT id FROM dead_letters WHERE received_at < $1 ORDER BY received_at LIMIT $2);

-- name: trim_removals
DELETE FROM removals WHERE key IN (SELECT key FROM removals WHERE marked_at < $1 ORDER BY marked_at LIMIT $2);

-- name: trim_audit
DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2);

-- name: trim_webhooks
DELETE FROM webhook_deliveries WHERE id IN (
    SELECT id FROM webhook_deliveries WHERE created_at < $1 AND next_at IS NULL ORDER BY created_at LIMIT $2
);

-- name: trim_costs
DELETE FROM caller_costs WHERE (caller_id, hour, corpus_id) IN (
    SELECT caller_id, hour, corpus_id FROM caller_costs WHERE hour < $1 ORDER BY hour LIMIT $2
);
