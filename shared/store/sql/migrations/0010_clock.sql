-- What time it is for the whole platform. Every process asks, and goes by the answer instead of its machine's clock.
CREATE FUNCTION platform_time() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT now()';

CREATE OR REPLACE VIEW overdue AS SELECT is_overdue(platform_time()) AS overdue;

-- When the clock was last seen to have been set back.
INSERT INTO turns (what) VALUES ('clock');

-- As before, and when a turn lies ahead: the clock was set back, what is due does not look so, and a sweep must tell.
CREATE OR REPLACE FUNCTION is_overdue(at timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM documents d WHERE d.lease_until <= at)
    OR EXISTS (SELECT 1 FROM documents d WHERE d.state = 'chunking' AND d.not_before <= at)
    OR EXISTS (SELECT 1 FROM outbox o WHERE o.published_at IS NULL AND o.due_at <= at)
    OR EXISTS (SELECT 1 FROM webhook_deliveries w WHERE w.next_at <= at)
    OR EXISTS (SELECT 1 FROM deletions r WHERE r.due_at <= at)
    OR EXISTS (SELECT 1 FROM turns t WHERE t.taken_at > at + interval '1 minute')
    OR EXISTS (
        SELECT 1 FROM jobs j WHERE j.state IN ('accepted', 'running') AND NOT EXISTS (
            SELECT 1 FROM documents d
            WHERE d.job_id = j.id AND d.state IN ('pending', 'scraping', 'chunking', 'embedding')
        )
    )
    OR unheard('scrape', at)
    OR unheard('embed', at)
$$;
