-- name: take_page
-- $1 document, $2 its token, $3 a page id, $4 now. No row: the claim is no longer ours. `newer`: the page was fetched
-- after this document and stays, or asked since not to be found. Else its row is locked and speaks of this document.
WITH doc AS MATERIALIZED (
    SELECT d.*, k.model, k.dimension, k.chunk_max_tokens, k.chunk_overlap_tokens
    FROM documents d JOIN corpora k ON k.id = d.corpus_id
    WHERE d.id = $1 AND d.token = $2 AND d.state = 'embedding' AND d.lease_until IS NOT NULL
    FOR UPDATE OF d
), page AS (
    INSERT INTO pages (
        id, corpus_id, url, document_id, final_url, text_key, text_sha256, etag, last_modified, chunker,
        chunk_max_tokens, chunk_overlap_tokens, model, title, author, date, language, content_type, chunks, tokens,
        fetched_at, indexed_at
    )
    SELECT $3, d.corpus_id, d.url, d.id, coalesce(d.scraped->>'final_url', d.url), d.text_key, d.text_sha256,
        d.scraped->>'etag', d.scraped->>'last_modified', d.chunker, d.chunk_max_tokens, d.chunk_overlap_tokens,
        d.model, d.scraped->>'title', d.scraped->>'author', d.scraped->>'date', d.scraped->>'language',
        d.scraped->>'content_type', d.chunks, d.tokens, least((d.scraped->>'fetched_at')::timestamptz, $4), $4
    FROM doc d
    WHERE NOT EXISTS (
        SELECT 1 FROM withdrawals w
        WHERE w.corpus_id = d.corpus_id AND w.url = d.url
        AND w.withdrawn_at >= least((d.scraped->>'fetched_at')::timestamptz, $4)
    )
    ON CONFLICT (corpus_id, url) DO UPDATE SET
        document_id = excluded.document_id, final_url = excluded.final_url, text_key = excluded.text_key,
        text_sha256 = excluded.text_sha256, etag = excluded.etag, last_modified = excluded.last_modified,
        chunker = excluded.chunker, chunk_max_tokens = excluded.chunk_max_tokens,
        chunk_overlap_tokens = excluded.chunk_overlap_tokens, model = excluded.model, title = excluded.title,
        author = excluded.author, date = excluded.date, language = excluded.language,
        content_type = excluded.content_type, chunks = excluded.chunks, tokens = excluded.tokens,
        fetched_at = excluded.fetched_at, indexed_at = excluded.indexed_at
    WHERE pages.fetched_at <= excluded.fetched_at
    RETURNING id
), found_again AS (
    DELETE FROM withdrawals w USING doc d
    WHERE w.corpus_id = d.corpus_id AND w.url = d.url AND EXISTS (SELECT 1 FROM page)
)
SELECT (SELECT id FROM page) AS page_id, d.corpus_id, d.model, d.dimension FROM doc d;

-- name: replace_chunks
-- $1 page, $2 corpus, $3 model, $4 dimension, $5 to $9 a column each, $10 all vectors, end to end
WITH gone AS (
    DELETE FROM chunks WHERE page_id = $1 AND model = $3
)
INSERT INTO chunks (page_id, corpus_id, model, ordinal, start_at, end_at, tokens, text, embedding)
SELECT $1, $2, $3, u.ordinal, u.start_at, u.end_at, u.tokens, u.text,
    ($10::real[])[(u.place - 1) * $4::integer + 1 : u.place * $4::integer]::vector
FROM unnest($5::integer[], $6::integer[], $7::integer[], $8::integer[], $9::text[])
    WITH ORDINALITY AS u (ordinal, start_at, end_at, tokens, text, place);
