-- name: lines
-- $1 corpus, $2 URL of the last page seen, $3 pages, $4 whether with vectors. A page without chunks is a row without a
-- line. Postgres makes the JSON: a vector is cheaper to print there than to bring here.
SELECT p.url, CASE WHEN c.page_id IS NOT NULL THEN json_strip_nulls(json_build_object(
    'url', p.url, 'final_url', p.final_url, 'title', p.title, 'author', p.author, 'date', p.date,
    'language', p.language, 'fetched_at', p.fetched_at, 'ordinal', c.ordinal, 'start', c.start_at, 'end', c.end_at,
    'tokens', c.tokens, 'text', c.text, 'model', c.model, 'chunker', p.chunker,
    'vector', CASE WHEN $4::boolean THEN c.embedding::real[] END
))::text END AS line
FROM (
    SELECT * FROM pages WHERE corpus_id = $1 AND url > $2 ORDER BY url LIMIT $3
) p
LEFT JOIN LATERAL (
    -- OFFSET keeps it a look-up for each page: joined as a whole, all chunks would be read for every stretch of pages.
    SELECT * FROM chunks c WHERE c.page_id = p.id AND c.model = p.model OFFSET 0
) c ON true
ORDER BY p.url, c.ordinal;
