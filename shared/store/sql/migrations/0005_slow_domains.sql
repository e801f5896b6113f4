-- A domain that answers 429 or 503 is asked less often, for as long as it takes.

ALTER TABLE domains
    ADD COLUMN slow_s double precision NOT NULL DEFAULT 0 CHECK (slow_s >= 0),
    ADD COLUMN slowed_at timestamptz NOT NULL DEFAULT '-infinity',
    DROP COLUMN pace_s;
ALTER TABLE domains
    ADD COLUMN pace_s double precision NOT NULL GENERATED ALWAYS AS (greatest(delay_s, asked_delay_s, slow_s)) STORED;

-- So that a caller sees why its document waits for a domain.
CREATE OR REPLACE VIEW document_views AS
SELECT d.id, d.job_id, d.caller_id, d.ordinal, d.url, d.state, d.token, d.attempt, d.error_stage, d.error_kind,
    d.error_code, d.error_message, d.chunks, d.tokens, d.not_before, d.lease_until, d.updated_at, d.ended_at,
    d.sitemap_depth IS NOT NULL AS is_sitemap, n.next_at AS domain_next_at, CASE
        WHEN n.slow_s > 0 THEN 'domain_slowed'
        WHEN n.asked_delay_s > n.delay_s THEN 'crawl_delay'
        ELSE 'domain'
    END AS domain_reason
FROM documents d LEFT JOIN domains n ON n.domain = d.domain;
