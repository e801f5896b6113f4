-- A webhook's delivery as its caller sees it, with every try.
CREATE VIEW webhook_delivery_views AS
SELECT w.id, w.caller_id, w.job_id, w.url, w.event ->> 'type' AS type, w.state, w.attempt, w.next_at, w.created_at,
    w.ended_at, (
        SELECT jsonb_agg(jsonb_build_object(
            'attempt', a.attempt, 'at', a.at, 'seconds', a.seconds, 'status', a.status, 'error', a.error
        ) ORDER BY a.attempt)
        FROM webhook_attempts a WHERE a.delivery_id = w.id
    ) AS attempts
FROM webhook_deliveries w;

-- A domain that was never fetched from is open: no time at all, which a driver would read as the year 1.
CREATE OR REPLACE VIEW document_views AS
SELECT d.id, d.job_id, d.caller_id, d.ordinal, d.url, d.state, d.token, d.attempt, d.error_stage, d.error_kind,
    d.error_code, d.error_message, d.chunks, d.tokens, d.not_before, d.lease_until, d.updated_at, d.ended_at,
    d.sitemap_depth IS NOT NULL AS is_sitemap,
    nullif(n.next_at, '-infinity') AS domain_next_at, CASE
        WHEN n.slow_s > 0 THEN 'domain_slowed'
        WHEN n.asked_delay_s > n.delay_s THEN 'crawl_delay'
        ELSE 'domain'
    END AS domain_reason
FROM documents d LEFT JOIN domains n ON n.domain = d.domain;
