-- name: add
-- $1 document, $2 job, $3 corpus, $4 caller, $5 now, $6 the cost
INSERT INTO cost_deltas (
    document_id, job_id, corpus_id, caller_id, hour, attempts, fetched_bytes, decoded_bytes, text_bytes, chunks,
    indexed_tokens, embedded_tokens, embed_requests, scrape_cpu_s, chunk_cpu_s, embed_cpu_s
)
SELECT $1, $2, $3, $4, date_trunc('hour', $5::timestamptz, 'UTC'), c.attempts, c.fetched_bytes, c.decoded_bytes,
    c.text_bytes, c.chunks, c.indexed_tokens, c.embedded_tokens, c.embed_requests, c.scrape_cpu_s, c.chunk_cpu_s,
    c.embed_cpu_s
FROM jsonb_populate_record(NULL::cost_deltas, $6::jsonb) c;

-- name: fold
-- $1 how many at most, $2 of this corpus, or null. Those that somebody else folds now are left to them.
WITH taken AS MATERIALIZED (
    SELECT id FROM cost_deltas WHERE $2::uuid IS NULL OR corpus_id = $2 ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM cost_deltas d USING taken WHERE d.id = taken.id RETURNING d.*
), of_documents AS (
    INSERT INTO document_costs AS s
    SELECT document_id, job_id, sum(attempts), sum(fetched_bytes), sum(decoded_bytes), sum(text_bytes), sum(chunks),
        sum(indexed_tokens), sum(embedded_tokens), sum(embed_requests), sum(scrape_cpu_s), sum(chunk_cpu_s),
        sum(embed_cpu_s)
    FROM gone GROUP BY document_id, job_id ORDER BY document_id
    ON CONFLICT (document_id) DO UPDATE SET
        attempts = s.attempts + excluded.attempts, fetched_bytes = s.fetched_bytes + excluded.fetched_bytes,
        decoded_bytes = s.decoded_bytes + excluded.decoded_bytes, text_bytes = s.text_bytes + excluded.text_bytes,
        chunks = s.chunks + excluded.chunks, indexed_tokens = s.indexed_tokens + excluded.indexed_tokens,
        embedded_tokens = s.embedded_tokens + excluded.embedded_tokens,
        embed_requests = s.embed_requests + excluded.embed_requests,
        scrape_cpu_s = s.scrape_cpu_s + excluded.scrape_cpu_s, chunk_cpu_s = s.chunk_cpu_s + excluded.chunk_cpu_s,
        embed_cpu_s = s.embed_cpu_s + excluded.embed_cpu_s
), of_jobs AS (
    INSERT INTO job_costs AS s
    SELECT job_id, sum(attempts), sum(fetched_bytes), sum(decoded_bytes), sum(text_bytes), sum(chunks),
        sum(indexed_tokens), sum(embedded_tokens), sum(embed_requests), sum(scrape_cpu_s), sum(chunk_cpu_s),
        sum(embed_cpu_s)
    FROM gone GROUP BY job_id ORDER BY job_id
    ON CONFLICT (job_id) DO UPDATE SET
        attempts = s.attempts + excluded.attempts, fetched_bytes = s.fetched_bytes + excluded.fetched_bytes,
        decoded_bytes = s.decoded_bytes + excluded.decoded_bytes, text_bytes = s.text_bytes + excluded.text_bytes,
        chunks = s.chunks + excluded.chunks, indexed_tokens = s.indexed_tokens + excluded.indexed_tokens,
        embedded_tokens = s.embedded_tokens + excluded.embedded_tokens,
        embed_requests = s.embed_requests + excluded.embed_requests,
        scrape_cpu_s = s.scrape_cpu_s + excluded.scrape_cpu_s, chunk_cpu_s = s.chunk_cpu_s + excluded.chunk_cpu_s,
        embed_cpu_s = s.embed_cpu_s + excluded.embed_cpu_s
), of_callers AS (
    INSERT INTO caller_costs AS s
    SELECT caller_id, hour, corpus_id, sum(attempts), sum(fetched_bytes), sum(decoded_bytes), sum(text_bytes),
        sum(chunks), sum(indexed_tokens), sum(embedded_tokens), sum(embed_requests), sum(scrape_cpu_s),
        sum(chunk_cpu_s), sum(embed_cpu_s)
    FROM gone GROUP BY caller_id, hour, corpus_id ORDER BY caller_id, hour, corpus_id
    ON CONFLICT (caller_id, hour, corpus_id) DO UPDATE SET
        attempts = s.attempts + excluded.attempts, fetched_bytes = s.fetched_bytes + excluded.fetched_bytes,
        decoded_bytes = s.decoded_bytes + excluded.decoded_bytes, text_bytes = s.text_bytes + excluded.text_bytes,
        chunks = s.chunks + excluded.chunks, indexed_tokens = s.indexed_tokens + excluded.indexed_tokens,
        embedded_tokens = s.embedded_tokens + excluded.embedded_tokens,
        embed_requests = s.embed_requests + excluded.embed_requests,
        scrape_cpu_s = s.scrape_cpu_s + excluded.scrape_cpu_s, chunk_cpu_s = s.chunk_cpu_s + excluded.chunk_cpu_s,
        embed_cpu_s = s.embed_cpu_s + excluded.embed_cpu_s
)
SELECT count(*) AS folded FROM gone;

-- name: forget_corpus
-- What was spent on a corpus that is gone stays in its callers' sums, where nothing names it any more.
WITH gone AS (
    DELETE FROM caller_costs WHERE corpus_id = $1 RETURNING *
)
INSERT INTO caller_costs AS s
SELECT caller_id, hour, '00000000-0000-0000-0000-000000000000', attempts, fetched_bytes, decoded_bytes, text_bytes,
    chunks, indexed_tokens, embedded_tokens, embed_requests, scrape_cpu_s, chunk_cpu_s, embed_cpu_s
FROM gone ORDER BY caller_id, hour
ON CONFLICT (caller_id, hour, corpus_id) DO UPDATE SET
    attempts = s.attempts + excluded.attempts, fetched_bytes = s.fetched_bytes + excluded.fetched_bytes,
    decoded_bytes = s.decoded_bytes + excluded.decoded_bytes, text_bytes = s.text_bytes + excluded.text_bytes,
    chunks = s.chunks + excluded.chunks, indexed_tokens = s.indexed_tokens + excluded.indexed_tokens,
    embedded_tokens = s.embedded_tokens + excluded.embedded_tokens,
    embed_requests = s.embed_requests + excluded.embed_requests,
    scrape_cpu_s = s.scrape_cpu_s + excluded.scrape_cpu_s, chunk_cpu_s = s.chunk_cpu_s + excluded.chunk_cpu_s,
    embed_cpu_s = s.embed_cpu_s + excluded.embed_cpu_s;

-- name: of_job
SELECT coalesce(sum(attempts), 0)::bigint AS attempts, coalesce(sum(fetched_bytes), 0)::bigint AS fetched_bytes,
    coalesce(sum(decoded_bytes), 0)::bigint AS decoded_bytes, coalesce(sum(text_bytes), 0)::bigint AS text_bytes,
    coalesce(sum(chunks), 0)::bigint AS chunks, coalesce(sum(indexed_tokens), 0)::bigint AS indexed_tokens,
    coalesce(sum(embedded_tokens), 0)::bigint AS embedded_tokens, coalesce(sum(embed_requests), 0) AS embed_requests,
    coalesce(sum(scrape_cpu_s), 0) AS scrape_cpu_s, coalesce(sum(chunk_cpu_s), 0) AS chunk_cpu_s,
    coalesce(sum(embed_cpu_s), 0) AS embed_cpu_s
FROM job_cost_parts WHERE job_id = $1;

-- name: of_documents
-- $1 documents, $2 their jobs. None for those of which nothing was reported.
SELECT document_id, sum(attempts)::bigint AS attempts, sum(fetched_bytes)::bigint AS fetched_bytes,
    sum(decoded_bytes)::bigint AS decoded_bytes, sum(text_bytes)::bigint AS text_bytes, sum(chunks)::bigint AS chunks,
    sum(indexed_tokens)::bigint AS indexed_tokens, sum(embedded_tokens)::bigint AS embedded_tokens,
    sum(embed_requests) AS embed_requests, sum(scrape_cpu_s) AS scrape_cpu_s, sum(chunk_cpu_s) AS chunk_cpu_s,
    sum(embed_cpu_s) AS embed_cpu_s
FROM document_cost_parts WHERE document_id = ANY ($1::uuid[]) AND job_id = ANY ($2::uuid[])
GROUP BY document_id;

-- name: of_caller
-- $1 caller, $2 corpus or null, $3 and $4 hours since and before, $5 by what: corpus, day, hour, or null for the sum;
-- $6 limit. A corpus of another caller is called by its id; one that is gone has no name.
SELECT g.* FROM (
    SELECT NULL::text AS caller_id,
        CASE WHEN $5::text = 'corpus' THEN CASE WHEN c.caller_id = $1 THEN c.name ELSE c.id::text END END AS corpus,
        CASE $5 WHEN 'day' THEN date_trunc('day', p.hour, 'UTC') WHEN 'hour' THEN p.hour END AS since,
        sum(attempts)::bigint AS attempts, sum(fetched_bytes)::bigint AS fetched_bytes,
        sum(decoded_bytes)::bigint AS decoded_bytes, sum(text_bytes)::bigint AS text_bytes,
        sum(chunks)::bigint AS chunks, sum(indexed_tokens)::bigint AS indexed_tokens,
        sum(embedded_tokens)::bigint AS embedded_tokens, sum(embed_requests) AS embed_requests,
        sum(scrape_cpu_s) AS scrape_cpu_s, sum(chunk_cpu_s) AS chunk_cpu_s, sum(embed_cpu_s) AS embed_cpu_s
    FROM caller_cost_parts p LEFT JOIN corpora c ON c.id = p.corpus_id AND c.deleted_at IS NULL
    WHERE p.caller_id = $1 AND ($2::uuid IS NULL OR p.corpus_id = $2)
    AND p.hour >= coalesce($3, '-infinity'::timestamptz) AND p.hour < coalesce($4, 'infinity'::timestamptz)
    GROUP BY 1, 2, 3
) g
ORDER BY g.since DESC, g.scrape_cpu_s + g.chunk_cpu_s + g.embed_cpu_s DESC LIMIT $6;

-- name: of_all
-- Like `of_caller`, for operators: $1 by what: caller, corpus, day, hour, or null; $2 and $3 hours since and before,
-- $4 limit, $5 corpus or null. Corpora are called by their ids.
SELECT g.* FROM (
    SELECT CASE WHEN $1::text = 'caller' THEN p.caller_id END AS caller_id,
        CASE WHEN $1 = 'corpus' THEN nullif(p.corpus_id, '00000000-0000-0000-0000-000000000000')::text END AS corpus,
        CASE $1 WHEN 'day' THEN date_trunc('day', p.hour, 'UTC') WHEN 'hour' THEN p.hour END AS since,
        sum(attempts)::bigint AS attempts, sum(fetched_bytes)::bigint AS fetched_bytes,
        sum(decoded_bytes)::bigint AS decoded_bytes, sum(text_bytes)::bigint AS text_bytes,
        sum(chunks)::bigint AS chunks, sum(indexed_tokens)::bigint AS indexed_tokens,
        sum(embedded_tokens)::bigint AS embedded_tokens, sum(embed_requests) AS embed_requests,
        sum(scrape_cpu_s) AS scrape_cpu_s, sum(chunk_cpu_s) AS chunk_cpu_s, sum(embed_cpu_s) AS embed_cpu_s
    FROM caller_cost_parts p
    WHERE ($5::uuid IS NULL OR p.corpus_id = $5)
    AND p.hour >= coalesce($2, '-infinity'::timestamptz) AND p.hour < coalesce($3, 'infinity'::timestamptz)
    GROUP BY 1, 2, 3
) g
ORDER BY g.since DESC, g.scrape_cpu_s + g.chunk_cpu_s + g.embed_cpu_s DESC LIMIT $4;
