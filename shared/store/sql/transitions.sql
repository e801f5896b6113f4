-- name: view
-- $1 document, $2 keys of the objects that it is about to refer to
SELECT d.*, c.name AS corpus, c.model, c.dimension, c.chunk_max_tokens, c.chunk_overlap_tokens,
    c.chunker AS corpus_chunker, j.traceparent,
    p.text_sha256 AS page_sha256, p.chunker AS page_chunker, p.chunk_max_tokens AS page_max_tokens,
    p.chunk_overlap_tokens AS page_overlap_tokens, p.model AS page_model, p.chunks AS page_chunks,
    p.tokens AS page_tokens, EXISTS (SELECT 1 FROM removals r WHERE r.key = ANY ($2::text[])) AS removed
FROM documents d
JOIN corpora c ON c.id = d.corpus_id
JOIN jobs j ON j.id = d.job_id
LEFT JOIN pages p ON p.corpus_id = d.corpus_id AND p.url = d.url
WHERE d.id = $1;

-- name: move
-- The compare-and-swap. $1 and $2 source and id of the event, or null; $3 document, $4 its state, $5 its token and $6,
-- unless null, its lease as they must be; $7 what becomes of its row; $8 now; $9 the diagnosis, or null;
-- $10 and $11 ids and events for the outbox; $12 when they are overdue; $13 the stage to wake, or null; $14 what the try
-- has cost, or null
WITH seen AS (
    INSERT INTO inbox (source, id, received_at)
    SELECT $1, $2, $8 WHERE $1::text IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING 1
), moved AS (
    UPDATE documents d
    SET (
        state, token, attempt, deaths, nudges, not_before, lease_until, reported, error_stage, error_kind,
        error_code, error_message, fetch_url, redirects, text_key, text_sha256, text_size, chunks_key, chunks_sha256, chunks_size,
        chunker, chunks, tokens, scraped, updated_at, ended_at, replayed_at, replay_traceparent
    ) = (
        SELECT n.state, n.token, n.attempt, n.deaths, n.nudges, n.not_before, n.lease_until, n.reported,
            n.error_stage, n.error_kind, n.error_code, n.error_message, n.fetch_url, n.redirects, n.text_key, n.text_sha256,
            n.text_size, n.chunks_key, n.chunks_sha256, n.chunks_size, n.chunker, n.chunks, n.tokens, n.scraped,
            $8::timestamptz, n.ended_at, n.replayed_at, n.replay_traceparent
        FROM jsonb_populate_record(d, $7::jsonb) n
    )
    WHERE d.id = $3 AND d.state = $4 AND d.token = $5 AND ($6::timestamptz IS NULL OR d.lease_until = $6)
    AND ($1::text IS NULL OR EXISTS (SELECT 1 FROM seen))
    RETURNING d.id, d.job_id, d.corpus_id, d.caller_id, d.state
), counted AS (
    INSERT INTO job_deltas (job_id, state, n)
    SELECT m.job_id, side.state, side.n
    FROM moved m CROSS JOIN LATERAL (VALUES ($4::text, -1), (m.state, 1)) AS side (state, n)
    WHERE m.state <> $4
), diagnosed AS (
    INSERT INTO failures (document_id, job_id, token, attempt, stage, kind, code, message, failed_at)
    SELECT m.id, m.job_id, $5, f.attempt, f.stage, f.kind, f.code, f.message, $8
    FROM moved m, jsonb_populate_record(NULL::failures, $9::jsonb) f
    WHERE $9::jsonb IS NOT NULL
), noted AS (
    INSERT INTO outbox (id, event, due_at)
    SELECT o.id, o.event, $12 FROM moved, unnest($10::uuid[], $11::jsonb[]) AS o (id, event)
    ON CONFLICT DO NOTHING
), spent AS (
    INSERT INTO cost_deltas (
        document_id, job_id, corpus_id, caller_id, hour, attempts, fetched_bytes, decoded_bytes, text_bytes, chunks,
        indexed_tokens, embedded_tokens, embed_requests, scrape_cpu_s, chunk_cpu_s, embed_cpu_s
    )
    SELECT m.id, m.job_id, m.corpus_id, m.caller_id, date_trunc('hour', $8, 'UTC'), c.attempts, c.fetched_bytes,
        c.decoded_bytes, c.text_bytes, c.chunks, c.indexed_tokens, c.embedded_tokens, c.embed_requests, c.scrape_cpu_s,
        c.chunk_cpu_s, c.embed_cpu_s
    FROM moved m, jsonb_populate_record(NULL::cost_deltas, $14::jsonb) c
    WHERE $14::jsonb IS NOT NULL
), woken AS (
    UPDATE turns SET taken_at = $8
    WHERE what = (
        SELECT t.what FROM turns t
        WHERE t.what = 'wake ' || $13::text AND t.taken_at <= $8 - interval '1 second'
        FOR UPDATE SKIP LOCKED
    ) AND EXISTS (SELECT 1 FROM moved)
    RETURNING 1
)
SELECT EXISTS (SELECT 1 FROM moved) AS moved, EXISTS (SELECT 1 FROM woken) AS woken;

-- name: hold_domain
UPDATE domains SET next_at = $2 WHERE domain = $1 AND next_at < $2;

-- name: refresh_page
-- $1 document, $2 now. The content that search sees was seen again by this document. A 304 need not repeat the validators.
UPDATE pages p
SET etag = coalesce(d.scraped->>'etag', p.etag), last_modified = coalesce(d.scraped->>'last_modified', p.last_modified),
    fetched_at = least((d.scraped->>'fetched_at')::timestamptz, $2)
FROM documents d
WHERE d.id = $1 AND p.corpus_id = d.corpus_id AND p.url = d.url
AND p.fetched_at <= least((d.scraped->>'fetched_at')::timestamptz, $2);

-- name: withdraw
-- $1 corpus, $2 URL, $3 when its page was seen to ask for it (null: $4, now). What was fetched later may be shown.
INSERT INTO withdrawals (corpus_id, url, withdrawn_at)
VALUES ($1, $2, least(coalesce($3::text::timestamptz, $4), $4))
ON CONFLICT (corpus_id, url) DO UPDATE SET withdrawn_at = greatest(withdrawals.withdrawn_at, excluded.withdrawn_at)
RETURNING withdrawn_at;

-- name: remove_page
DELETE FROM pages WHERE corpus_id = $1 AND url = $2 AND fetched_at <= $3;

-- name: learn_chunker
UPDATE corpora SET chunker = $2 WHERE id = $1 AND chunker IS DISTINCT FROM $2;

-- name: receive
INSERT INTO inbox (source, id, received_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING true;
