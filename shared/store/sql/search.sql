-- name: find_corpus
SELECT id, model, dimension, vector_index = 'ready' AS indexed
FROM corpora
WHERE id = (SELECT reachable_corpus($1, $2, 'read'));

-- name: settings
-- For one transaction: plans that know the corpus, since only those may use its partial index, and an index scan that
-- goes on until it has enough rows that pass the filter.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true),
    set_config('hnsw.iterative_scan', 'strict_order', true),
    set_config('hnsw.ef_search', $1, true);

-- name: patience
-- $1 milliseconds, for one transaction
SELECT set_config('statement_timeout', $1, true);

-- name: nearest
-- `vector(1)` stands for the corpus's dimension: a type modifier cannot be a parameter.
SELECT p.url, p.title, c.text, c.ordinal, c.start_at, c.end_at,
    1 - ((c.embedding::vector(1)) <=> $3::text::vector(1)) AS score
FROM chunks c
JOIN pages p ON p.id = c.page_id
WHERE c.corpus_id = $1
    AND c.model = $2
    AND ($5::text IS NULL OR starts_with(p.url, $5))
    AND ($6::text IS NULL OR p.language = $6)
    AND ($7::text IS NULL OR position(lower($7) IN lower(p.title)) > 0)
    AND ($8::timestamptz IS NULL OR p.fetched_at >= $8)
ORDER BY (c.embedding::vector(1)) <=> $3::text::vector(1)
LIMIT $4;

-- name: exact
SELECT p.url, p.title, c.text, c.ordinal, c.start_at, c.end_at,
    1 - (c.embedding <=> $3::text::vector) AS score
FROM chunks c
JOIN pages p ON p.id = c.page_id
WHERE c.corpus_id = $1
    AND c.model = $2
    AND ($5::text IS NULL OR starts_with(p.url, $5))
    AND ($6::text IS NULL OR p.language = $6)
    AND ($7::text IS NULL OR position(lower($7) IN lower(p.title)) > 0)
    AND ($8::timestamptz IS NULL OR p.fetched_at >= $8)
ORDER BY c.embedding <=> $3::text::vector, p.url, c.ordinal
LIMIT $4;
