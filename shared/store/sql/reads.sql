-- name: job
SELECT j.id, c.name AS corpus, j.state AS status, j.total, j.created_at, j.cancel_requested_at, j.ended_at,
    (SELECT jsonb_object_agg(d.state, d.n) FROM (
        SELECT state, sum(n) AS n FROM job_deltas WHERE job_id = j.id GROUP BY state HAVING sum(n) <> 0
    ) d) AS counts
FROM jobs j JOIN corpora c ON c.id = j.corpus_id
WHERE j.caller_id = $1 AND j.id = $2;

-- name: jobs
SELECT j.id, c.name AS corpus, j.state AS status, j.total, j.created_at, j.cancel_requested_at, j.ended_at,
    (SELECT jsonb_object_agg(d.state, d.n) FROM (
        SELECT state, sum(n) AS n FROM job_deltas WHERE job_id = j.id GROUP BY state HAVING sum(n) <> 0
    ) d) AS counts
FROM jobs j JOIN corpora c ON c.id = j.corpus_id
WHERE j.caller_id = $1 AND ($2::text IS NULL OR j.state = $2) AND ($3::timestamptz IS NULL OR j.created_at < $3)
ORDER BY j.created_at DESC, j.id LIMIT $4;

-- name: documents
SELECT d.id, d.ordinal, d.url, d.state, d.attempt, d.error_stage, d.error_kind, d.error_code, d.error_message,
    d.chunks, d.tokens, d.not_before, d.updated_at, d.ended_at,
    CASE
        WHEN d.ended_at IS NOT NULL OR d.lease_until IS NOT NULL THEN NULL
        WHEN d.state = 'chunking' THEN 'chunking'
        WHEN d.not_before > $3 THEN 'backoff'
        WHEN d.state = 'pending' AND n.next_at > $3 THEN 'domain'
        ELSE 'queued'
    END AS waiting
FROM documents d LEFT JOIN domains n ON n.domain = d.domain
WHERE d.caller_id = $1 AND d.job_id = $2 AND d.ordinal > $4 AND ($5::text IS NULL OR d.state = $5)
ORDER BY d.ordinal LIMIT $6;

-- name: failures
SELECT f.token, f.attempt, f.stage, f.kind, f.code, f.message, f.failed_at
FROM failures f JOIN documents d ON d.id = f.document_id
WHERE d.caller_id = $1 AND f.document_id = $2
ORDER BY f.id;

-- name: corpora
SELECT c.id, c.name, c.model, c.dimension, c.created_at, count(p.id) AS pages,
    coalesce(sum(p.chunks), 0)::bigint AS chunks, coalesce(sum(p.tokens), 0)::bigint AS tokens
FROM corpora c LEFT JOIN pages p ON p.corpus_id = c.id
WHERE c.caller_id = $1 AND ($2::text IS NULL OR c.name = $2)
GROUP BY c.id ORDER BY c.name;

-- name: ready_to_scrape
SELECT count(*) FROM documents WHERE state = 'pending';

-- name: ready_to_embed
SELECT count(*) FROM documents WHERE state = 'embedding' AND lease_until IS NULL;
