-- What callers may ask for beyond a list of URLs: sitemaps, texts of their own, webhooks, whole corpora gone.

ALTER TABLE jobs
    -- What was asked for under an Idempotency-Key: the same key with another body is refused.
    ADD COLUMN request_sha256 text,
    -- Whether the end of the job is told to anybody. A stage call without a job id asks for no callback.
    ADD COLUMN announced boolean NOT NULL DEFAULT true,
    -- {"limit", "include", "exclude"}, for a job that began with a sitemap.
    ADD COLUMN sitemap jsonb,
    -- {"url", "events"}
    ADD COLUMN webhook jsonb,
    -- The rate counts what ended since then, beyond what had ended by then: a replay begins anew.
    ADD COLUMN rated_from timestamptz,
    ADD COLUMN rated_base integer NOT NULL DEFAULT 0;
DROP INDEX jobs_by_caller;
CREATE INDEX jobs_by_caller ON jobs (caller_id, created_at DESC, id DESC);
CREATE INDEX jobs_by_caller_and_state ON jobs (caller_id, state, created_at DESC, id DESC);
DROP INDEX jobs_by_corpus;
CREATE INDEX jobs_by_corpus ON jobs (corpus_id, created_at DESC, id DESC);

ALTER TABLE documents
    -- A sitemap waits like a page and is replaced by what it lists. 0 is the one that was asked for. Null: a page.
    ADD COLUMN sitemap_depth integer;
-- For listings by state: a job may have one failed document among fifty thousand.
CREATE INDEX documents_by_state ON documents (job_id, state, ordinal);

-- A corpus is gone for its caller as soon as it is marked, and its name is free again.
ALTER TABLE corpora ADD COLUMN deleted_at timestamptz;
ALTER TABLE corpora DROP CONSTRAINT corpora_caller_id_name_key;
CREATE UNIQUE INDEX corpora_by_name ON corpora (caller_id, name) WHERE deleted_at IS NULL;

-- What a corpus holds is appended and folded, like a job's progress: counting a million pages takes a second.
CREATE TABLE corpus_deltas (
    corpus_id uuid NOT NULL,
    pages integer NOT NULL,
    chunks bigint NOT NULL,
    tokens bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX corpus_deltas_by_corpus ON corpus_deltas (corpus_id) INCLUDE (pages, chunks, tokens);
INSERT INTO corpus_deltas SELECT corpus_id, count(*), sum(chunks), sum(tokens) FROM pages GROUP BY corpus_id;

-- A trigger, because only it sees the row that an upsert really replaced.
CREATE FUNCTION count_page() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO corpus_deltas VALUES (NEW.corpus_id, 1, NEW.chunks, NEW.tokens);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO corpus_deltas VALUES (OLD.corpus_id, -1, -OLD.chunks, -OLD.tokens);
    ELSIF (NEW.chunks, NEW.tokens) <> (OLD.chunks, OLD.tokens) THEN
        INSERT INTO corpus_deltas VALUES (NEW.corpus_id, 0, NEW.chunks - OLD.chunks, NEW.tokens - OLD.tokens);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER count_page AFTER INSERT OR DELETE OR UPDATE OF chunks, tokens ON pages
    FOR EACH ROW EXECUTE FUNCTION count_page();

-- The proof that a corpus is gone. `due_at` is when to go on removing, or to look for stragglers; null when it is over.
CREATE TABLE deletions (
    id uuid PRIMARY KEY,
    caller_id text NOT NULL,
    corpus_id uuid NOT NULL,
    corpus text NOT NULL,
    requested_at timestamptz NOT NULL,
    due_at timestamptz,
    removed_at timestamptz,
    verified_at timestamptz,
    removed jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX deletions_by_caller ON deletions (caller_id, requested_at DESC, id DESC);
CREATE INDEX deletions_due ON deletions (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE webhook_deliveries (
    id uuid PRIMARY KEY,
    caller_id text NOT NULL,
    job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    url text NOT NULL,
    event jsonb NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    attempt integer NOT NULL DEFAULT 0,
    next_at timestamptz,
    created_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX webhook_deliveries_by_caller ON webhook_deliveries (caller_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_by_job ON webhook_deliveries (job_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX webhook_deliveries_by_age ON webhook_deliveries (created_at);

CREATE TABLE webhook_attempts (
    delivery_id uuid NOT NULL REFERENCES webhook_deliveries ON DELETE CASCADE,
    attempt integer NOT NULL,
    at timestamptz NOT NULL,
    seconds double precision NOT NULL,
    status integer,
    error text,
    PRIMARY KEY (delivery_id, attempt)
);

CREATE OR REPLACE FUNCTION is_overdue(at timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM documents d WHERE d.lease_until <= at)
    OR EXISTS (SELECT 1 FROM documents d WHERE d.state = 'chunking' AND d.not_before <= at)
    OR EXISTS (SELECT 1 FROM outbox o WHERE o.published_at IS NULL AND o.due_at <= at)
    OR EXISTS (SELECT 1 FROM webhook_deliveries w WHERE w.next_at <= at)
    OR EXISTS (SELECT 1 FROM deletions r WHERE r.due_at <= at)
    OR EXISTS (
        SELECT 1 FROM jobs j WHERE j.state IN ('accepted', 'running') AND NOT EXISTS (
            SELECT 1 FROM documents d
            WHERE d.job_id = j.id AND d.state IN ('pending', 'scraping', 'chunking', 'embedding')
        )
    )
    OR unheard('scrape', at)
    OR unheard('embed', at)
$$;

-- A job as its caller sees it. Counts are documents by state; states without any are left out.
CREATE VIEW job_views AS
SELECT j.id, j.caller_id, j.corpus_id, c.name AS corpus, j.state AS status, j.total, j.created_at,
    j.cancel_requested_at, j.ended_at, coalesce(j.rated_from, j.created_at) AS rated_from, j.rated_base,
    j.sitemap IS NOT NULL AS from_sitemap, j.webhook ->> 'url' AS webhook_url, j.request_sha256,
    (SELECT jsonb_object_agg(d.state, d.n) FROM (
        SELECT state, sum(n) AS n FROM job_deltas WHERE job_id = j.id GROUP BY state HAVING sum(n) <> 0
    ) d) AS counts
FROM jobs j JOIN corpora c ON c.id = j.corpus_id
WHERE c.deleted_at IS NULL;

-- A document as its caller sees it, with when its domain is open again.
CREATE VIEW document_views AS
SELECT d.id, d.job_id, d.caller_id, d.ordinal, d.url, d.state, d.token, d.attempt, d.error_stage, d.error_kind,
    d.error_code, d.error_message, d.chunks, d.tokens, d.not_before, d.lease_until, d.updated_at, d.ended_at,
    d.sitemap_depth IS NOT NULL AS is_sitemap, n.next_at AS domain_next_at
FROM documents d LEFT JOIN domains n ON n.domain = d.domain;

CREATE VIEW corpus_views AS
SELECT c.id, c.caller_id, c.name, c.model, c.dimension, c.chunk_max_tokens, c.chunk_overlap_tokens,
    c.vector_index, c.created_at, held.pages, held.chunks, held.tokens
FROM corpora c CROSS JOIN LATERAL (
    SELECT coalesce(sum(d.pages), 0)::bigint AS pages, coalesce(sum(d.chunks), 0)::bigint AS chunks,
        coalesce(sum(d.tokens), 0)::bigint AS tokens
    FROM corpus_deltas d WHERE d.corpus_id = c.id
) held
WHERE c.deleted_at IS NULL;
