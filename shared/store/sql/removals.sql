-- name: unreferenced
-- $1 corpus, $2 keys. Text is kept for what search sees, both for documents that go on or may be replayed.
SELECT k.key FROM unnest($2::text[]) AS k (key)
WHERE NOT EXISTS (SELECT 1 FROM pages p WHERE p.corpus_id = $1 AND p.text_key = k.key)
AND NOT EXISTS (
    SELECT 1 FROM documents d
    WHERE d.corpus_id = $1 AND d.text_key = k.key
    AND d.state IN ('pending', 'scraping', 'chunking', 'embedding', 'failed')
)
AND NOT EXISTS (
    SELECT 1 FROM documents d
    WHERE d.corpus_id = $1 AND d.chunks_key = k.key
    AND d.state IN ('pending', 'scraping', 'chunking', 'embedding', 'failed')
);

-- name: mark
INSERT INTO removals (key, marked_at) SELECT k, $2 FROM unnest($1::text[]) AS k
ON CONFLICT (key) DO UPDATE SET marked_at = excluded.marked_at;

-- name: hold
SELECT key FROM removals WHERE key = ANY ($1::text[]) ORDER BY key FOR UPDATE;

-- name: unmark
DELETE FROM removals WHERE key = ANY ($1::text[]);
