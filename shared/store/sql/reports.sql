-- name: documents
-- $1 job, $2 document or null
SELECT d.id, d.job_id, d.corpus_id, d.url, d.state, d.token, EXISTS (
    SELECT 1 FROM documents s WHERE s.job_id = d.job_id AND s.id <> d.id
) AS siblings
FROM documents d
WHERE d.job_id = $1 AND ($2::uuid IS NULL OR d.id = $2)
ORDER BY d.ordinal LIMIT 2;

-- name: indexed
SELECT p.chunks, p.tokens, p.model, k.dimension
FROM documents d
JOIN pages p ON p.corpus_id = d.corpus_id AND p.url = d.url AND p.document_id = d.id AND p.text_sha256 = d.text_sha256
JOIN corpora k ON k.id = d.corpus_id
WHERE d.id = $1;
