-- name: take_turn
-- Whoever gets a row builds. A builder that has not finished after so long is dead.
UPDATE corpora
SET vector_index = 'building', vector_index_at = $2
WHERE id = $1
    AND (vector_index = 'none' OR (vector_index = 'building' AND vector_index_at < $2::timestamptz - make_interval(secs => $3)))
    AND dimension <= $4
    AND (SELECT coalesce(sum(d.chunks), 0) FROM corpus_deltas d WHERE d.corpus_id = $1) >= $5
RETURNING model, dimension;

-- name: drop_statement
SELECT format('DROP INDEX CONCURRENTLY IF EXISTS %I', $1::text);

-- name: statements
SELECT format('DROP INDEX CONCURRENTLY IF EXISTS %I', $1::text) AS drop_old,
    format(
        'CREATE INDEX CONCURRENTLY %I ON chunks USING hnsw ((embedding::vector(%s)) vector_cosine_ops)'
        ' WHERE corpus_id = %L AND model = %L',
        $1::text, $2::integer, $3::uuid, $4::text
    ) AS build;

-- name: end_turn
UPDATE corpora
SET vector_index = $3
WHERE id = $1 AND vector_index = 'building' AND vector_index_at = $2;
