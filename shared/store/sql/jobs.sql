-- name: corpus
-- $1 id, $2 caller, $3 name, $4 model, $5 dimension, $6 tokens a chunk, $7 overlap, $8 now
-- Locked, so that nobody marks it as deleted before the job that goes into it is there.
WITH made AS (
    INSERT INTO corpora (id, caller_id, name, model, dimension, chunk_max_tokens, chunk_overlap_tokens, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (caller_id, name) WHERE deleted_at IS NULL DO NOTHING
    RETURNING id
), found AS (
    SELECT id FROM corpora WHERE caller_id = $2 AND name = $3 AND deleted_at IS NULL FOR SHARE
)
SELECT id FROM made UNION ALL SELECT id FROM found LIMIT 1;

-- name: corpus_by_id
-- $1 caller, $2 id. Locked as above; none when the caller may not write into it.
SELECT id FROM corpora WHERE id = (SELECT reachable_corpus($1, $2, 'write')) AND deleted_at IS NULL FOR SHARE;

-- name: accept
-- $1 job, $2 caller, $3 corpus, $4 total, $5 traceparent, $6 now, $7 hash of the request, $8 announced, $9 sitemap
-- options, $10 webhook
INSERT INTO jobs (
    id, caller_id, corpus_id, total, traceparent, created_at, request_sha256, announced, sitemap, webhook
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (id) DO NOTHING
RETURNING true;

-- name: weigh
INSERT INTO caller_weights (caller_id, weight)
SELECT $1, $2::integer
WHERE coalesce((SELECT weight FROM caller_weights WHERE caller_id = $1), 1) <> $2
ON CONFLICT (caller_id) DO UPDATE SET weight = excluded.weight;

-- name: meet_domains
INSERT INTO domains (domain, delay_s)
SELECT d, $2 FROM unnest($1::text[]) AS d
ON CONFLICT (domain) DO UPDATE SET delay_s = excluded.delay_s WHERE domains.delay_s <> excluded.delay_s;

-- name: add_documents
-- $1 job, $2 corpus, $3 caller, $4 ids, $5 urls, $6 their domains, $7 now, $8 depth of sitemaps, null for pages
WITH added AS (
    INSERT INTO documents (
        id, job_id, corpus_id, caller_id, ordinal, url, domain, sitemap_depth, not_before, created_at, updated_at
    )
    SELECT u.id, $1, $2, $3, u.place - 1, u.url, u.domain, $8, $7, $7, $7
    FROM unnest($4::uuid[], $5::text[], $6::text[]) WITH ORDINALITY AS u (id, url, domain, place)
    RETURNING 1
)
INSERT INTO job_deltas (job_id, state, n) SELECT $1::uuid, 'pending', count(*) FROM added;

-- name: add_text
-- $1 document, $2 job, $3 corpus, $4 caller, $5 url, $6 its domain, $7 now, $8 when to ask for the chunks again, $9 to
-- $11 the text, $12 what is known of it
WITH added AS (
    INSERT INTO documents (
        id, job_id, corpus_id, caller_id, ordinal, url, domain, state, token, not_before, text_key, text_sha256,
        text_size, scraped, created_at, updated_at
    )
    VALUES ($1, $2, $3, $4, 0, $5, $6, 'chunking', 1, $8, $9, $10, $11, $12::jsonb, $7, $7)
), stored AS (
    INSERT INTO cost_deltas (
        document_id, job_id, corpus_id, caller_id, hour, attempts, fetched_bytes, decoded_bytes, text_bytes, chunks,
        indexed_tokens, embedded_tokens, embed_requests, scrape_cpu_s, chunk_cpu_s, embed_cpu_s
    )
    VALUES ($1, $2, $3, $4, date_trunc('hour', $7::timestamptz, 'UTC'), 0, 0, 0, $11, 0, 0, 0, 0, 0, 0, 0)
)
INSERT INTO job_deltas (job_id, state, n) VALUES ($2, 'chunking', 1);

-- name: chunk_sizes
SELECT chunk_max_tokens AS max_tokens, chunk_overlap_tokens AS overlap_tokens FROM corpora WHERE id = $1;

-- name: request_cancel
UPDATE jobs SET cancel_requested_at = $3
WHERE id = $1 AND caller_id = $2 AND state IN ('accepted', 'running') AND cancel_requested_at IS NULL
RETURNING true;

-- name: cancel_documents
-- $1 job, $2 now, $3 of how many at most to tell, those first that somebody has worked on
WITH held AS MATERIALIZED (
    SELECT id, state FROM documents
    WHERE job_id = $1 AND state IN ('pending', 'scraping', 'chunking', 'embedding')
    ORDER BY id FOR UPDATE
), moved AS (
    UPDATE documents d
    SET state = 'cancelled', token = d.token + 1, lease_until = NULL, reported = false, not_before = $2,
        updated_at = $2, ended_at = $2
    FROM held WHERE d.id = held.id
    RETURNING d.id, d.job_id, d.corpus_id, d.url, d.created_at, d.replayed_at, d.replay_traceparent, d.token, d.ordinal,
        held.state AS was
), counted AS (
    INSERT INTO job_deltas (job_id, state, n)
    SELECT $1::uuid, was, -count(*) FROM moved GROUP BY was
    UNION ALL
    SELECT $1::uuid, 'cancelled', count(*) FROM moved HAVING count(*) > 0
)
SELECT m.id, m.job_id, m.url, m.created_at, m.replayed_at, m.replay_traceparent, j.traceparent, c.name AS corpus
FROM moved m JOIN jobs j ON j.id = m.job_id JOIN corpora c ON c.id = m.corpus_id
ORDER BY m.token DESC, m.ordinal LIMIT $3;

-- name: lock_job
SELECT state FROM jobs WHERE id = $1 AND caller_id = $2 FOR UPDATE;

-- name: failed_documents
SELECT d.*, c.model, c.chunk_max_tokens, c.chunk_overlap_tokens, c.chunker AS corpus_chunker,
    NULL::text AS page_sha256
FROM documents d JOIN corpora c ON c.id = d.corpus_id
WHERE d.job_id = $1 AND d.state = 'failed' AND ($2::uuid[] IS NULL OR d.id = ANY ($2))
AND ($3::text IS NULL OR d.error_code = $3) AND ($4::text IS NULL OR d.error_stage = $4)
AND ($5::text IS NULL OR d.error_kind = $5)
ORDER BY d.id FOR UPDATE OF d;

-- name: restart_documents
-- $1 job, $2 documents, $3 their next states, $4 now, $5 traceparent of who asked
WITH moved AS (
    UPDATE documents d
    SET state = n.state, token = d.token + 1, attempt = 0, deaths = 0, nudges = 0, not_before = $4, updated_at = $4,
        ended_at = NULL, fetch_url = NULL, redirects = 0, replayed_at = $4, replay_traceparent = $5
    FROM unnest($2::uuid[], $3::text[]) AS n (id, state)
    WHERE d.id = n.id AND d.state = 'failed'
    RETURNING n.state
)
INSERT INTO job_deltas (job_id, state, n)
SELECT $1::uuid, state, count(*) FROM moved GROUP BY state
UNION ALL
SELECT $1::uuid, 'failed', -count(*) FROM moved HAVING count(*) > 0;

-- name: restart
UPDATE jobs
SET state = 'running', generation = generation + 1, ended_at = NULL, cancel_requested_at = NULL, rated_from = $2,
    rated_base = (
        SELECT coalesce(sum(n), 0) FROM job_deltas
        WHERE job_id = $1 AND state IN ('indexed', 'unchanged', 'failed', 'cancelled')
    )
WHERE id = $1;

-- name: finished
-- A job of which nothing is unfinished, with its counts: one row a state.
SELECT j.generation, j.caller_id, j.cancel_requested_at IS NOT NULL AS cancel_requested, j.created_at, j.traceparent,
    j.announced, j.webhook, CASE WHEN c.caller_id = j.caller_id THEN c.name ELSE c.id::text END AS corpus,
    d.state, d.n
FROM jobs j
JOIN corpora c ON c.id = j.corpus_id
CROSS JOIN LATERAL (SELECT state, sum(n)::integer AS n FROM job_deltas WHERE job_id = j.id GROUP BY state) d
WHERE j.id = $1 AND j.state IN ('accepted', 'running') AND NOT EXISTS (
    SELECT 1 FROM documents u
    WHERE u.job_id = j.id AND u.state IN ('pending', 'scraping', 'chunking', 'embedding')
);

-- name: finish
-- $1 job, $2 the generation that was looked at, $3 its final state, $4 now, $5 id and $6 event for the outbox, $7 due,
-- $8 whether anybody is told, $9 who wants it as a webhook, or null
WITH ended AS (
    UPDATE jobs SET state = $3, ended_at = $4
    WHERE id = $1 AND generation = $2 AND state IN ('accepted', 'running')
    RETURNING id, caller_id
), noted AS (
    INSERT INTO outbox (id, event, due_at)
    SELECT $5, $6, $7 FROM ended WHERE $8::boolean
    ON CONFLICT DO NOTHING
), hooked AS (
    INSERT INTO webhook_deliveries (id, caller_id, job_id, url, event, next_at, created_at)
    SELECT $5, e.caller_id, e.id, $9, $6, $4, $4 FROM ended e WHERE $9::text IS NOT NULL
    ON CONFLICT DO NOTHING
)
SELECT true FROM ended;

-- name: fold
WITH gone AS (
    DELETE FROM job_deltas WHERE job_id = $1 RETURNING state, n
)
INSERT INTO job_deltas (job_id, state, n)
SELECT $1::uuid, state, sum(n) FROM gone GROUP BY state HAVING sum(n) <> 0;
