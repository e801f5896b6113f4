-- name: lock
-- One repair at a time: two would both make up the same difference.
SELECT pg_advisory_xact_lock(x'51ce'::integer, 1);

-- name: counts
-- What documents say of a job, against what was appended about it.
SELECT job_id, state, coalesce(d.n, 0) AS found, coalesce(c.n, 0) AS counted
FROM (SELECT job_id, state, count(*) AS n FROM documents GROUP BY job_id, state) d
FULL JOIN (SELECT job_id, state, sum(n) AS n FROM job_deltas GROUP BY job_id, state) c USING (job_id, state)
WHERE coalesce(d.n, 0) <> coalesce(c.n, 0) AND job_id IN (SELECT id FROM jobs)
ORDER BY job_id, state;

-- name: mend_counts
-- Appends the difference. Moves that happen meanwhile append their own: this sees all of each of them, or nothing.
INSERT INTO job_deltas (job_id, state, n)
SELECT job_id, state, coalesce(d.n, 0) - coalesce(c.n, 0)
FROM (SELECT job_id, state, count(*) AS n FROM documents WHERE job_id = $1 GROUP BY job_id, state) d
FULL JOIN (SELECT job_id, state, sum(n) AS n FROM job_deltas WHERE job_id = $1 GROUP BY job_id, state) c
    USING (job_id, state)
WHERE coalesce(d.n, 0) <> coalesce(c.n, 0);

-- name: costs
-- Jobs whose sum is not that of their documents, or that are gone while what they cost is still there. What is not folded
-- yet goes into both at once. Sums of fractions depend on their order.
SELECT coalesce(d.job_id, s.job_id) AS job_id, j.id IS NULL AS orphaned
FROM (
    SELECT job_id, sum(attempts) AS attempts, sum(fetched_bytes) AS fetched_bytes, sum(decoded_bytes) AS decoded_bytes,
        sum(text_bytes) AS text_bytes, sum(chunks) AS chunks, sum(indexed_tokens) AS indexed_tokens,
        sum(embedded_tokens) AS embedded_tokens, sum(embed_requests) AS embed_requests,
        sum(scrape_cpu_s) AS scrape_cpu_s, sum(chunk_cpu_s) AS chunk_cpu_s, sum(embed_cpu_s) AS embed_cpu_s
    FROM document_costs GROUP BY job_id
) d
FULL JOIN job_costs s ON s.job_id = d.job_id
LEFT JOIN jobs j ON j.id = coalesce(d.job_id, s.job_id)
WHERE j.id IS NULL OR greatest(
    abs(coalesce(d.attempts, 0) - coalesce(s.attempts, 0)),
    abs(coalesce(d.fetched_bytes, 0) - coalesce(s.fetched_bytes, 0)),
    abs(coalesce(d.decoded_bytes, 0) - coalesce(s.decoded_bytes, 0)),
    abs(coalesce(d.text_bytes, 0) - coalesce(s.text_bytes, 0)),
    abs(coalesce(d.chunks, 0) - coalesce(s.chunks, 0)),
    abs(coalesce(d.indexed_tokens, 0) - coalesce(s.indexed_tokens, 0)),
    abs(coalesce(d.embedded_tokens, 0) - coalesce(s.embedded_tokens, 0)),
    abs(coalesce(d.embed_requests, 0) - coalesce(s.embed_requests, 0)),
    abs(coalesce(d.scrape_cpu_s, 0) - coalesce(s.scrape_cpu_s, 0)),
    abs(coalesce(d.chunk_cpu_s, 0) - coalesce(s.chunk_cpu_s, 0)),
    abs(coalesce(d.embed_cpu_s, 0) - coalesce(s.embed_cpu_s, 0))
) > 0.001
ORDER BY 1;

-- name: mend_costs
-- Adds the difference, so that what is folded meanwhile stays.
INSERT INTO job_costs AS s
SELECT $1::uuid, sum(attempts), sum(fetched_bytes), sum(decoded_bytes), sum(text_bytes), sum(chunks),
    sum(indexed_tokens), sum(embedded_tokens), sum(embed_requests), sum(scrape_cpu_s), sum(chunk_cpu_s), sum(embed_cpu_s)
FROM (
    SELECT attempts, fetched_bytes, decoded_bytes, text_bytes, chunks, indexed_tokens, embedded_tokens, embed_requests,
        scrape_cpu_s, chunk_cpu_s, embed_cpu_s
    FROM document_costs WHERE job_id = $1
    UNION ALL
    SELECT -attempts, -fetched_bytes, -decoded_bytes, -text_bytes, -chunks, -indexed_tokens, -embedded_tokens,
        -embed_requests, -scrape_cpu_s, -chunk_cpu_s, -embed_cpu_s
    FROM job_costs WHERE job_id = $1
) difference
HAVING count(*) > 0
ON CONFLICT (job_id) DO UPDATE SET
    attempts = s.attempts + excluded.attempts, fetched_bytes = s.fetched_bytes + excluded.fetched_bytes,
    decoded_bytes = s.decoded_bytes + excluded.decoded_bytes, text_bytes = s.text_bytes + excluded.text_bytes,
    chunks = s.chunks + excluded.chunks, indexed_tokens = s.indexed_tokens + excluded.indexed_tokens,
    embedded_tokens = s.embedded_tokens + excluded.embedded_tokens,
    embed_requests = s.embed_requests + excluded.embed_requests,
    scrape_cpu_s = s.scrape_cpu_s + excluded.scrape_cpu_s, chunk_cpu_s = s.chunk_cpu_s + excluded.chunk_cpu_s,
    embed_cpu_s = s.embed_cpu_s + excluded.embed_cpu_s;

-- name: drop_costs
-- Of a job that is gone.
WITH gone AS (
    SELECT $1::uuid AS job_id WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE id = $1)
), of_documents AS (
    DELETE FROM document_costs c USING gone WHERE c.job_id = gone.job_id
)
DELETE FROM job_costs c USING gone WHERE c.job_id = gone.job_id;

-- name: not_ended
-- $1 a moment by which the sweeper should have seen that nothing is left.
SELECT j.id FROM jobs j
WHERE j.state IN ('accepted', 'running') AND j.created_at <= $1
AND NOT EXISTS (SELECT 1 FROM documents d WHERE d.job_id = j.id AND (d.ended_at IS NULL OR d.ended_at > $1));

-- name: ended_early
SELECT j.id, count(*) AS unfinished FROM jobs j JOIN documents d ON d.job_id = j.id
WHERE j.state NOT IN ('accepted', 'running') AND d.state IN ('pending', 'scraping', 'chunking', 'embedding')
GROUP BY j.id ORDER BY j.id;

-- name: documents_lost
SELECT j.id, j.total, count(d.id) AS found FROM jobs j LEFT JOIN documents d ON d.job_id = j.id
GROUP BY j.id HAVING count(d.id) <> j.total ORDER BY j.id;

-- name: overdue_leases
SELECT id, url, state, lease_until FROM documents WHERE lease_until <= $1 ORDER BY lease_until;

-- name: overdue_requests
SELECT id, url, not_before FROM documents WHERE state = 'chunking' AND not_before <= $1 ORDER BY not_before;

-- name: overdue_events
SELECT id, event->>'type' AS type, due_at FROM outbox WHERE published_at IS NULL AND due_at <= $1 ORDER BY due_at;

-- name: corpora
SELECT id, name FROM corpora ORDER BY id;

-- name: broken_pages
-- $1 corpus. Pages whose chunks are not exactly those that were counted, in order, with vectors of the right size.
SELECT p.id, p.url, p.document_id, p.chunks AS expected, count(c.ordinal) AS found,
    coalesce(bool_or(vector_dims(c.embedding) <> k.dimension), false) AS misfit
FROM pages p JOIN corpora k ON k.id = p.corpus_id
LEFT JOIN chunks c ON c.page_id = p.id AND c.model = p.model
WHERE p.corpus_id = $1
GROUP BY p.id
HAVING count(c.ordinal) <> p.chunks OR count(DISTINCT c.ordinal) <> p.chunks
OR (p.chunks > 0 AND (min(c.ordinal) <> 0 OR max(c.ordinal) <> p.chunks - 1))
OR bool_or(vector_dims(c.embedding) <> k.dimension) OR bool_or(c.end_at <= c.start_at)
ORDER BY p.url;

-- name: documents_without_page
SELECT d.id, d.url, d.state FROM documents d
WHERE d.corpus_id = $1 AND d.state IN ('indexed', 'unchanged')
AND NOT EXISTS (SELECT 1 FROM pages p WHERE p.corpus_id = d.corpus_id AND p.url = d.url)
AND NOT EXISTS (SELECT 1 FROM withdrawals w WHERE w.corpus_id = d.corpus_id AND w.url = d.url)
ORDER BY d.url;

-- name: references
-- $1 corpus. Every object that somebody still counts on; `page_id` where search shows its text.
SELECT p.text_key AS key, p.id AS page_id, p.document_id, p.url FROM pages p WHERE p.corpus_id = $1
UNION ALL
SELECT k.key, NULL, d.id, d.url FROM documents d, LATERAL (VALUES (d.text_key), (d.chunks_key)) AS k (key)
WHERE d.corpus_id = $1 AND k.key IS NOT NULL AND d.state IN ('chunking', 'embedding')
ORDER BY key;

-- name: still_referenced
SELECT 1 FROM pages WHERE corpus_id = $1 AND text_key = $2
UNION ALL
SELECT 1 FROM documents WHERE corpus_id = $1 AND $2 IN (text_key, chunks_key) AND state IN ('chunking', 'embedding')
LIMIT 1;

-- name: passages
SELECT ordinal, start_at, end_at, text FROM chunks c JOIN pages p ON p.id = c.page_id AND p.model = c.model
WHERE p.id = $1 ORDER BY ordinal;

-- name: document_of_page
-- The document that is to be done again: the page's own, or whichever of its URL was the last.
SELECT d.id FROM pages p JOIN documents d ON d.corpus_id = p.corpus_id AND d.url = p.url
WHERE p.id = $1
ORDER BY d.id = p.document_id DESC, d.created_at DESC LIMIT 1;

-- name: distrust_page
-- What search sees of a document's URL may stay until it is replaced; but "unchanged" must not be said of it.
UPDATE pages p SET text_sha256 = '', etag = NULL, last_modified = NULL
FROM documents d WHERE d.id = $1 AND p.corpus_id = d.corpus_id AND p.url = d.url;

-- name: reopen_job
UPDATE jobs SET state = 'running', generation = generation + 1, ended_at = NULL
WHERE id = $1 AND state NOT IN ('accepted', 'running');
