-- name: job
SELECT * FROM job_views WHERE caller_id = $1 AND id = $2;

-- name: jobs
-- $1 caller, $2 and $3 created since and before, $4 and $5 time and id of the last one seen, $6 limit; any of $2 to $5
-- may be null. All of it is one range of an index, walked in its order. A filter beside it would make the planner, who
-- knows no value of it, expect next to nothing and sort all there is for one page; where there must be one, it is a CASE,
-- of which the planner expects that all pass.
SELECT * FROM job_views
WHERE caller_id = $1
AND created_at >= coalesce($2, '-infinity'::timestamptz) AND created_at < coalesce($3, 'infinity'::timestamptz)
AND (created_at, id)
    < (coalesce($4, 'infinity'::timestamptz), coalesce($5, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
ORDER BY created_at DESC, id DESC LIMIT $6;

-- name: jobs_in_state
-- Like `jobs`, with $7 the state. A statement of its own, because its plan is another index.
SELECT * FROM job_views
WHERE caller_id = $1 AND status = $7
AND created_at >= coalesce($2, '-infinity'::timestamptz) AND created_at < coalesce($3, 'infinity'::timestamptz)
AND (created_at, id)
    < (coalesce($4, 'infinity'::timestamptz), coalesce($5, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
ORDER BY created_at DESC, id DESC LIMIT $6;

-- name: jobs_of_corpus
-- Like `jobs`, with $7 the corpus.
SELECT v.* FROM job_views v
WHERE v.corpus_id = (SELECT reachable_corpus($1, $7, 'read')) AND v.caller_id = $1
AND v.created_at >= coalesce($2, '-infinity'::timestamptz) AND v.created_at < coalesce($3, 'infinity'::timestamptz)
AND (v.created_at, v.id)
    < (coalesce($4, 'infinity'::timestamptz), coalesce($5, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
ORDER BY v.created_at DESC, v.id DESC LIMIT $6;

-- name: jobs_of_corpus_in_state
-- Like `jobs`, with $7 the corpus and $8 the state.
SELECT v.* FROM job_views v
WHERE v.corpus_id = (SELECT reachable_corpus($1, $7, 'read')) AND v.caller_id = $1 AND v.status = $8
AND v.created_at >= coalesce($2, '-infinity'::timestamptz) AND v.created_at < coalesce($3, 'infinity'::timestamptz)
AND (v.created_at, v.id)
    < (coalesce($4, 'infinity'::timestamptz), coalesce($5, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
ORDER BY v.created_at DESC, v.id DESC LIMIT $6;

-- name: documents
-- $1 caller, $2 job, $3 ordinal of the last one seen, $4 limit, $5 an error code or null
SELECT * FROM document_views
WHERE job_id = (SELECT j.id FROM jobs j WHERE j.id = $2 AND j.caller_id = $1)
AND ordinal > $3 AND (CASE WHEN $5::text IS NULL OR error_code = $5 THEN true END) IS NOT NULL
ORDER BY ordinal LIMIT $4;

-- name: documents_in_state
-- Like `documents`, with $6 the state.
SELECT * FROM document_views
WHERE job_id = (SELECT j.id FROM jobs j WHERE j.id = $2 AND j.caller_id = $1)
AND state = $6 AND ordinal > $3 AND (CASE WHEN $5::text IS NULL OR error_code = $5 THEN true END) IS NOT NULL
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
SELECT v.*, v.id AS corpus_id FROM corpus_views v WHERE caller_id = $1 AND name > $2 ORDER BY name LIMIT $3;

-- name: corpus
SELECT v.*, v.id AS corpus_id FROM corpus_views v WHERE caller_id = $1 AND name = $2;

-- name: reachable
-- $1 caller, $2 name or id, $3 read or write
SELECT v.*, v.id AS corpus_id FROM corpus_views v WHERE id = (SELECT reachable_corpus($1, $2, $3));

-- name: ready_to_scrape
-- $1 is where counting ends.
SELECT count(*) FROM (SELECT 1 FROM documents WHERE state = 'pending' LIMIT $1) ready;

-- name: ready_to_embed
SELECT count(*) FROM (SELECT 1 FROM documents WHERE state = 'embedding' AND lease_until IS NULL LIMIT $1) ready;
