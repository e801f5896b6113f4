-- name: begin
-- $1 deletion, $2 caller, $3 corpus name, $4 now. From here on the corpus is gone for everybody but whoever removes it.
WITH gone AS (
    UPDATE corpora SET deleted_at = $4 WHERE caller_id = $2 AND name = $3 AND deleted_at IS NULL
    RETURNING id
)
INSERT INTO deletions (id, caller_id, corpus_id, corpus, requested_at, due_at)
SELECT $1, $2, id, $3, $4, $4 FROM gone
ON CONFLICT DO NOTHING
RETURNING corpus_id;

-- name: stop_jobs
UPDATE jobs SET state = 'cancelled', cancel_requested_at = coalesce(cancel_requested_at, $2), ended_at = $2
WHERE corpus_id = $1 AND state IN ('accepted', 'running');

-- name: stop_documents
-- $1 corpus, $2 now, $3 of how many at most to tell, those first that somebody has worked on. Whoever works on one loses
-- its claim.
WITH held AS MATERIALIZED (
    SELECT id FROM documents
    WHERE corpus_id = $1 AND state IN ('pending', 'scraping', 'chunking', 'embedding')
    ORDER BY id FOR UPDATE
), moved AS (
    UPDATE documents d
    SET state = 'cancelled', token = d.token + 1, lease_until = NULL, reported = false, not_before = $2,
        updated_at = $2, ended_at = $2
    FROM held WHERE d.id = held.id
    RETURNING d.id, d.job_id, d.corpus_id, d.url, d.created_at, d.replayed_at, d.replay_traceparent, d.token, d.ordinal
)
SELECT m.id, m.job_id, m.url, m.created_at, m.replayed_at, m.replay_traceparent, j.traceparent, c.name AS corpus
FROM moved m JOIN jobs j ON j.id = m.job_id JOIN corpora c ON c.id = m.corpus_id
ORDER BY m.token DESC, m.ordinal LIMIT $3;

-- name: take_due
-- $1 now, $2 until when nobody else takes it
UPDATE deletions r SET due_at = $2
WHERE r.id = (
    SELECT d.id FROM deletions d WHERE d.due_at <= $1 ORDER BY d.due_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING r.id, r.caller_id, r.corpus_id, r.corpus, r.removed_at;

-- name: take
UPDATE deletions SET due_at = $2 WHERE id = $1 AND due_at IS NOT NULL
RETURNING id, caller_id, corpus_id, corpus, removed_at;

-- name: due_again
UPDATE deletions SET due_at = $2 WHERE id = $1 AND due_at IS NOT NULL;

-- name: documents
-- $1 corpus, $2 how many
WITH gone AS MATERIALIZED (
    SELECT id FROM documents WHERE corpus_id = $1 LIMIT $2 FOR UPDATE
), diagnoses AS (
    DELETE FROM failures f USING gone WHERE f.document_id = gone.id RETURNING 1
), costs AS (
    DELETE FROM document_costs c USING gone WHERE c.document_id = gone.id
), removed AS (
    DELETE FROM documents d USING gone WHERE d.id = gone.id RETURNING 1
)
SELECT (SELECT count(*) FROM removed) AS documents, (SELECT count(*) FROM diagnoses) AS failures;

-- name: pages
WITH gone AS MATERIALIZED (
    SELECT id FROM pages WHERE corpus_id = $1 LIMIT $2 FOR UPDATE
), cut AS (
    DELETE FROM chunks c USING gone WHERE c.page_id = gone.id RETURNING 1
), removed AS (
    DELETE FROM pages p USING gone WHERE p.id = gone.id RETURNING 1
)
SELECT (SELECT count(*) FROM removed) AS pages, (SELECT count(*) FROM cut) AS chunks;

-- name: jobs
-- Those to be removed next; what was handed in for them goes first.
SELECT id FROM jobs WHERE corpus_id = $1 LIMIT $2;

-- name: remove_jobs
WITH deliveries AS (
    DELETE FROM webhook_deliveries WHERE job_id = ANY ($1::uuid[]) RETURNING 1
), counts AS (
    DELETE FROM job_deltas WHERE job_id = ANY ($1::uuid[])
), costs AS (
    DELETE FROM job_costs WHERE job_id = ANY ($1::uuid[])
), costs_of_sitemaps AS (
    DELETE FROM document_costs WHERE job_id = ANY ($1::uuid[])
), removed AS (
    DELETE FROM jobs WHERE id = ANY ($1::uuid[]) RETURNING 1
)
SELECT (SELECT count(*) FROM removed) AS jobs, (SELECT count(*) FROM deliveries) AS webhook_deliveries;

-- name: remove_corpus
WITH counts AS (
    DELETE FROM corpus_deltas WHERE corpus_id = $1
), marks AS (
    DELETE FROM removals WHERE starts_with(key, 'corpora/' || $1::text || '/')
)
DELETE FROM corpora WHERE id = $1;

-- name: tally
-- $1 deletion, $2 what was removed just now, added to what was before
UPDATE deletions r SET removed = (
    SELECT jsonb_object_agg(key, n) FROM (
        SELECT key, sum(value::bigint) AS n FROM (
            SELECT * FROM jsonb_each_text(r.removed) UNION ALL SELECT * FROM jsonb_each_text($2::jsonb)
        ) counted GROUP BY key
    ) summed
)
WHERE r.id = $1;

-- name: finish
-- $1 deletion, $2 now, $3 when to look for stragglers
UPDATE deletions SET removed_at = $2, due_at = $3 WHERE id = $1 AND removed_at IS NULL RETURNING removed::text AS removed;

-- name: verify
UPDATE deletions SET verified_at = $2, due_at = NULL WHERE id = $1;

-- name: left
-- What Postgres still holds of a corpus.
SELECT (SELECT count(*) FROM corpora WHERE id = $1) AS corpora, (SELECT count(*) FROM jobs WHERE corpus_id = $1) AS jobs,
    (SELECT count(*) FROM documents WHERE corpus_id = $1) AS documents,
    (SELECT count(*) FROM pages WHERE corpus_id = $1) AS pages,
    (SELECT count(*) FROM chunks WHERE corpus_id = $1) AS chunks,
    (SELECT count(*) FROM cost_deltas WHERE corpus_id = $1) + (SELECT count(*) FROM caller_costs WHERE corpus_id = $1)
        AS costs;

-- name: get
SELECT id, corpus_id, corpus, requested_at, removed_at, verified_at, removed::text AS removed FROM deletions
WHERE caller_id = $1 AND id = $2;

-- name: list
SELECT id, corpus_id, corpus, requested_at, removed_at, verified_at, removed::text AS removed FROM deletions
WHERE caller_id = $1 AND ($2::timestamptz IS NULL OR (requested_at, id) < ($2, $3::uuid))
ORDER BY requested_at DESC, id DESC LIMIT $4;
