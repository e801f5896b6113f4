-- name: take
-- $1 document, $2 job, $3 token. The job's row is held: its sitemaps give way to what they list one after another.
SELECT j.corpus_id, j.caller_id, (j.sitemap ->> 'limit')::integer AS page_limit,
    coalesce((j.sitemap ->> 'sitemaps')::integer, 1) AS sitemaps,
    ARRAY(SELECT jsonb_array_elements_text(j.sitemap -> 'read')) AS read, d.sitemap_depth AS depth
FROM documents d JOIN jobs j ON j.id = d.job_id
WHERE d.id = $1 AND d.job_id = $2 AND d.token = $3 AND d.state = 'scraping' AND d.sitemap_depth IS NOT NULL
FOR UPDATE;

-- name: standing
SELECT count(*) FILTER (WHERE sitemap_depth IS NULL) AS pages, count(*) AS documents, max(ordinal) AS last
FROM documents WHERE job_id = $1;

-- name: add
-- $1 job, $2 corpus, $3 caller, $4 ids, $5 urls, $6 their domains, $7 now, $8 depth of sitemaps, null for pages, $9 the
-- last ordinal there is, $10 how many at most. What is there already is not added again.
INSERT INTO documents (
    id, job_id, corpus_id, caller_id, ordinal, url, domain, sitemap_depth, not_before, created_at, updated_at
)
SELECT n.id, $1, $2, $3, $9 + row_number() OVER (ORDER BY n.place), n.url, n.domain, $8, $7, $7, $7
FROM (
    SELECT * FROM unnest($4::uuid[], $5::text[], $6::text[]) WITH ORDINALITY AS u (id, url, domain, place)
    WHERE NOT EXISTS (SELECT 1 FROM documents d WHERE d.id = u.id)
    ORDER BY u.place LIMIT $10
) n
RETURNING 1;

-- name: give_way
WITH moved AS (
    DELETE FROM documents WHERE id = $1
    RETURNING id, job_id, corpus_id, url, created_at, replayed_at, replay_traceparent
)
SELECT m.id, m.job_id, m.url, m.created_at, m.replayed_at, m.replay_traceparent, j.traceparent, c.name AS corpus
FROM moved m JOIN jobs j ON j.id = m.job_id JOIN corpora c ON c.id = m.corpus_id;

-- name: drop_waiting
-- There are as many pages as were asked for: nobody needs the sitemaps that still wait.
WITH moved AS (
    DELETE FROM documents WHERE job_id = $1 AND sitemap_depth IS NOT NULL AND state = 'pending'
    RETURNING id, job_id, corpus_id, url, created_at, replayed_at, replay_traceparent
)
SELECT m.id, m.job_id, m.url, m.created_at, m.replayed_at, m.replay_traceparent, j.traceparent, c.name AS corpus
FROM moved m JOIN jobs j ON j.id = m.job_id JOIN corpora c ON c.id = m.corpus_id;

-- name: count
-- $1 job, $2 how many more wait, $3 how many more there are, $4 how many sitemaps there have been, $5 the one just read
WITH counted AS (
    INSERT INTO job_deltas (job_id, state, n) VALUES ($1, 'pending', $2), ($1, 'scraping', -1)
)
UPDATE jobs SET total = total + $3, sitemap = sitemap || jsonb_build_object(
    'sitemaps', $4::integer, 'read', coalesce(sitemap -> 'read', '[]') || to_jsonb($5::text)
)
WHERE id = $1;
