-- name: job
SELECT * FROM job_views WHERE caller_id = $1 AND id = $2;

-- name: jobs
-- $1 caller, $2 and $3 created since and before, $4 and $5 time and id of the last one seen, $6 limit
SELECT * FROM job_views
WHERE caller_id = $1 AND ($2::timestamptz IS NULL OR created_at >= $2) AND ($3::timestamptz IS NULL OR created_at < $3)
AND ($4::timestamptz IS NULL OR (created_at, id) < ($4, $5::uuid))
ORDER BY created_at DESC, id DESC LIMIT $6;

-- name: jobs_in_state
-- Like `jobs`, with $7 the state. A statement of its own, because its plan is another index.
SELECT * FROM job_views
WHERE caller_id = $1 AND ($2::timestamptz IS NULL OR created_at >= $2) AND ($3::timestamptz IS NULL OR created_at < $3)
AND ($4::timestamptz IS NULL OR (created_at, id) < ($4, $5::uuid)) AND status = $7
ORDER BY created_at DESC, id DESC LIMIT $6;

-- name: jobs_of_corpus
-- Like `jobs`, with $7 the corpus and $8 the state, or null.
SELECT v.* FROM job_views v
WHERE v.corpus_id = (SELECT reachable_corpus($1, $7, 'read'))
AND v.caller_id = $1 AND ($2::timestamptz IS NULL OR v.created_at >= $2)
AND ($3::timestamptz IS NULL OR v.created_at < $3)
AND ($4::timestamptz IS NULL OR (v.created_at, v.id) < ($4, $5::uuid)) AND ($8::text IS NULL OR v.status = $8)
ORDER BY v.created_at DESC, v.id DESC LIMIT $6;

-- name: documents
-- $1 caller, $2 job, $3 ordinal of the last one seen, $4 limit, $5 an error code or null
SELECT * FROM document_views
WHERE caller_id = $1 AND job_id = $2 AND ordinal > $3 AND ($5::text IS NULL OR error_code = $5)
ORDER BY ordinal LIMIT $4;

-- name: documents_in_state
-- Like `documents`, with $6 the state.
SELECT * FROM document_views
WHERE caller_id = $1 AND job_id = $2 AND ordinal > $3 AND ($5::text IS NULL OR error_code = $5) AND state = $6
ORDER BY ordinal LIMIT $4;

-- name: document
SELECT * FROM document_views WHERE caller_id = $1 AND job_id = $2 AND id = $3;

-- name: failures
SELECT f.token, f.attempt, f.stage, f.kind, f.code, f.message, f.failed_at
FROM failures f JOIN documents d ON d.id = f.document_id
WHERE d.caller_id = $1 AND f.document_id = $2
ORDER BY f.id;

-- name: corpora
-- $1 caller, $2 the name of the last one seen, $3 limit
SELECT * FROM corpus_views WHERE caller_id = $1 AND name > $2 ORDER BY name LIMIT $3;

-- name: corpus
SELECT * FROM corpus_views WHERE caller_id = $1 AND name = $2;

-- name: reachable
-- $1 caller, $2 name or id, $3 read or write
SELECT * FROM corpus_views WHERE id = (SELECT reachable_corpus($1, $2, $3));

-- name: ready_to_scrape
-- $1 is where counting ends.
SELECT count(*) FROM (SELECT 1 FROM documents WHERE state = 'pending' LIMIT $1) ready;

-- name: ready_to_embed
SELECT count(*) FROM (SELECT 1 FROM documents WHERE state = 'embedding' AND lease_until IS NULL LIMIT $1) ready;
