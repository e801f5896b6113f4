-- name: documents
-- $1 jobs to look at. Exact sums of what was appended, so that no document is counted.
WITH unfinished AS MATERIALIZED (
    SELECT j.id FROM jobs j WHERE j.state IN ('accepted', 'running') ORDER BY j.id LIMIT $1
)
SELECT d.state, sum(d.n)::bigint AS n
FROM unfinished u CROSS JOIN LATERAL (
    SELECT t.state, sum(t.n) AS n FROM job_deltas t WHERE t.job_id = u.id GROUP BY t.state
) d
GROUP BY d.state;

-- name: jobs
-- $1 jobs to look at, $2 now
SELECT j.state, count(*) AS n, extract(epoch FROM $2::timestamptz - min(j.created_at))::double precision AS oldest_s
FROM (
    SELECT u.state, u.created_at FROM jobs u WHERE u.state IN ('accepted', 'running') ORDER BY u.id LIMIT $1
) j
GROUP BY j.state;

-- name: leased
SELECT state, count(*) AS n FROM documents WHERE lease_until IS NOT NULL GROUP BY state;

-- name: to_scrape
-- $1 lanes to look at, $2 now. The head of each lane tells how long it has been open, or how long it stays closed.
WITH RECURSIVE lanes AS (
    (SELECT d.caller_id, d.lane FROM documents d
    WHERE d.state = 'pending' AND d.deaths = 0
    ORDER BY d.caller_id, d.lane LIMIT 1)
    UNION ALL
    SELECT next.caller_id, next.lane FROM lanes l CROSS JOIN LATERAL (
        SELECT d.caller_id, d.lane FROM documents d
        WHERE d.state = 'pending' AND d.deaths = 0 AND (d.caller_id, d.lane) > (l.caller_id, l.lane)
        ORDER BY d.caller_id, d.lane LIMIT 1
    ) next
), heads AS MATERIALIZED (
    SELECT n.domain, head.not_before, n.next_at, CASE
        WHEN n.slow_s > 0 THEN 'domain_slowed'
        WHEN n.asked_delay_s > n.delay_s THEN 'crawl_delay'
        ELSE 'domain'
    END AS reason
    FROM (SELECT caller_id, lane FROM lanes LIMIT $1) l CROSS JOIN LATERAL (
        SELECT d.domain, d.not_before FROM documents d
        WHERE d.state = 'pending' AND d.deaths = 0 AND d.caller_id = l.caller_id AND d.lane = l.lane
        ORDER BY d.not_before, d.ordinal LIMIT 1
    ) head
    JOIN domains n ON n.domain = head.domain
    UNION ALL
    SELECT n.domain, d.not_before, n.next_at, 'domain' FROM documents d JOIN domains n ON n.domain = d.domain
    WHERE d.state = 'pending' AND d.deaths > 0 AND d.lease_until IS NULL
), closed AS (
    SELECT domain, reason, extract(epoch FROM max(next_at) - $2::timestamptz)::double precision AS wait_s
    FROM heads WHERE next_at > $2 GROUP BY domain, reason
)
SELECT
    (SELECT extract(epoch FROM $2 - min(greatest(not_before, next_at)))::double precision
    FROM heads WHERE not_before <= $2 AND next_at <= $2) AS oldest_s,
    (SELECT count(*) FROM closed WHERE reason = 'domain') AS domain,
    (SELECT count(*) FROM closed WHERE reason = 'domain_slowed') AS domain_slowed,
    (SELECT count(*) FROM closed WHERE reason = 'crawl_delay') AS crawl_delay,
    ARRAY(SELECT wait_s FROM closed ORDER BY wait_s DESC LIMIT 5) AS longest_s;

-- name: to_embed
-- $1 callers to look at, $2 now
WITH RECURSIVE callers AS (
    (SELECT d.caller_id FROM documents d
    WHERE d.state = 'embedding' AND d.lease_until IS NULL AND d.deaths = 0
    ORDER BY d.caller_id LIMIT 1)
    UNION ALL
    SELECT next.caller_id FROM callers c CROSS JOIN LATERAL (
        SELECT d.caller_id FROM documents d
        WHERE d.state = 'embedding' AND d.lease_until IS NULL AND d.deaths = 0 AND d.caller_id > c.caller_id
        ORDER BY d.caller_id LIMIT 1
    ) next
), heads AS (
    SELECT head.not_before FROM (SELECT caller_id FROM callers LIMIT $1) c CROSS JOIN LATERAL (
        SELECT d.not_before FROM documents d
        WHERE d.state = 'embedding' AND d.lease_until IS NULL AND d.deaths = 0 AND d.caller_id = c.caller_id
        ORDER BY d.not_before LIMIT 1
    ) head
    UNION ALL
    SELECT d.not_before FROM documents d WHERE d.state = 'embedding' AND d.deaths > 0 AND d.lease_until IS NULL
)
SELECT extract(epoch FROM $2::timestamptz - min(not_before))::double precision AS oldest_s
FROM heads WHERE not_before <= $2;

-- name: beside
-- $1 rows to count of each, $2 now
SELECT
    (SELECT extract(epoch FROM $2::timestamptz - min(not_before))::double precision
    FROM documents WHERE state = 'chunking') AS chunk_overdue_s,
    (SELECT extract(epoch FROM $2 - min(due_at))::double precision FROM outbox WHERE published_at IS NULL) AS outbox_s,
    (SELECT count(*) FROM (
        SELECT 1 FROM outbox WHERE published_at IS NULL ORDER BY due_at LIMIT $1
    ) unpublished) AS outbox,
    (SELECT count(*) FROM (SELECT 1 FROM dead_letters ORDER BY received_at LIMIT $1) kept) AS dead_letters,
    (SELECT count(*) FROM (
        SELECT 1 FROM webhook_deliveries WHERE next_at IS NOT NULL ORDER BY next_at LIMIT $1
    ) waiting) AS webhooks,
    is_overdue($2) AS overdue;
