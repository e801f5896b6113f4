-- Everything the platform remembers. Postgres is the truth; queues and brokers only hint at it.

CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE corpora (
    id uuid PRIMARY KEY,
    caller_id text NOT NULL,
    name text NOT NULL,
    model text NOT NULL,
    dimension integer NOT NULL CHECK (dimension > 0),
    chunk_max_tokens integer NOT NULL CHECK (chunk_max_tokens > 0),
    chunk_overlap_tokens integer NOT NULL CHECK (chunk_overlap_tokens >= 0),
    -- The chunker last seen at work here. Null until a first text was split.
    chunker text,
    vector_index text NOT NULL DEFAULT 'none' CHECK (vector_index IN ('none', 'building', 'ready')),
    vector_index_at timestamptz,
    created_at timestamptz NOT NULL,
    UNIQUE (caller_id, name)
);

CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    caller_id text NOT NULL,
    corpus_id uuid NOT NULL REFERENCES corpora ON DELETE CASCADE,
    state text NOT NULL DEFAULT 'accepted' CHECK (
        state IN ('accepted', 'running', 'completed', 'completed_with_errors', 'failed', 'cancelled')
    ),
    total integer NOT NULL,
    -- Grows when ended documents become unfinished again, so that an older "nothing is left" cannot end the job.
    generation integer NOT NULL DEFAULT 0,
    traceparent text,
    created_at timestamptz NOT NULL,
    cancel_requested_at timestamptz,
    ended_at timestamptz
);
CREATE INDEX jobs_by_caller ON jobs (caller_id, created_at DESC, id);
CREATE INDEX jobs_unfinished ON jobs (id) WHERE state IN ('accepted', 'running');
CREATE INDEX jobs_by_corpus ON jobs (corpus_id);

CREATE TABLE documents (
    id uuid PRIMARY KEY,
    job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    corpus_id uuid NOT NULL,
    caller_id text NOT NULL,
    ordinal integer NOT NULL,
    url text NOT NULL,
    -- Where a redirect to another domain sent us; the next claim fetches this, at that domain's pace.
    fetch_url text,
    redirects integer NOT NULL DEFAULT 0,
    domain text NOT NULL,
    -- Domains in an order nobody can choose, so that a scan may start anywhere.
    lane integer NOT NULL GENERATED ALWAYS AS (hashtext(domain)) STORED,
    state text NOT NULL DEFAULT 'pending' CHECK (
        state IN ('pending', 'scraping', 'chunking', 'embedding', 'indexed', 'unchanged', 'failed', 'cancelled')
    ),
    token bigint NOT NULL DEFAULT 0,
    attempt integer NOT NULL DEFAULT 0,
    deaths integer NOT NULL DEFAULT 0,
    nudges integer NOT NULL DEFAULT 0,
    not_before timestamptz NOT NULL,
    lease_until timestamptz CHECK (lease_until IS NULL OR state IN ('scraping', 'embedding')),
    error_stage text CHECK (error_stage IN ('scraping', 'chunking', 'embedding')),
    error_kind text CHECK (error_kind IN ('transient', 'permanent', 'interrupted')),
    error_code text,
    error_message text,
    text_key text,
    text_sha256 text,
    text_size bigint,
    chunks_key text,
    chunks_sha256 text,
    chunks_size bigint,
    chunker text,
    chunks integer,
    tokens integer,
    scraped jsonb,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
CREATE UNIQUE INDEX documents_by_job ON documents (job_id, ordinal);
CREATE INDEX documents_by_corpus ON documents (corpus_id);
CREATE INDEX documents_unfinished ON documents (job_id)
    WHERE state IN ('pending', 'scraping', 'chunking', 'embedding');
CREATE INDEX documents_to_scrape ON documents (caller_id, lane, not_before, ordinal)
    WHERE state = 'pending' AND deaths = 0;
CREATE INDEX documents_to_embed ON documents (caller_id, not_before, ordinal)
    WHERE state = 'embedding' AND lease_until IS NULL AND deaths = 0;
CREATE INDEX documents_suspect ON documents (state, not_before)
    WHERE deaths > 0 AND lease_until IS NULL AND state IN ('pending', 'embedding');
CREATE INDEX documents_leased ON documents (lease_until) INCLUDE (state, caller_id)
    WHERE lease_until IS NOT NULL;
CREATE INDEX documents_chunking ON documents (not_before) WHERE state = 'chunking';

-- One row a failed try, kept through retries and replays.
CREATE TABLE failures (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id uuid NOT NULL,
    job_id uuid NOT NULL,
    token bigint NOT NULL,
    attempt integer NOT NULL,
    stage text NOT NULL,
    kind text NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    failed_at timestamptz NOT NULL
);
CREATE INDEX failures_by_document ON failures (document_id, id);
CREATE INDEX failures_by_age ON failures (failed_at);

-- Progress is appended and folded, never updated in place: the sum by state is a job's count in any snapshot.
CREATE TABLE job_deltas (
    job_id uuid NOT NULL,
    state text NOT NULL,
    n integer NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX job_deltas_by_job ON job_deltas (job_id) INCLUDE (state, n);

-- The version of a URL that search sees.
CREATE TABLE pages (
    id uuid PRIMARY KEY,
    corpus_id uuid NOT NULL REFERENCES corpora ON DELETE CASCADE,
    url text NOT NULL,
    document_id uuid NOT NULL,
    final_url text NOT NULL,
    text_key text NOT NULL,
    text_sha256 text NOT NULL,
    etag text,
    last_modified text,
    chunker text NOT NULL,
    chunk_max_tokens integer NOT NULL,
    chunk_overlap_tokens integer NOT NULL,
    model text NOT NULL,
    title text,
    author text,
    date text,
    language text,
    content_type text,
    chunks integer NOT NULL,
    tokens integer NOT NULL,
    fetched_at timestamptz NOT NULL,
    indexed_at timestamptz NOT NULL,
    UNIQUE (corpus_id, url)
);

CREATE TABLE chunks (
    page_id uuid NOT NULL REFERENCES pages ON DELETE CASCADE,
    corpus_id uuid NOT NULL,
    model text NOT NULL,
    ordinal integer NOT NULL,
    start_at integer NOT NULL,
    end_at integer NOT NULL,
    tokens integer NOT NULL,
    text text NOT NULL,
    embedding vector NOT NULL
) WITH (toast_tuple_target = 8160);
-- Vectors stay in the row: an exact scan reads every one of them.
ALTER TABLE chunks ALTER COLUMN embedding SET STORAGE MAIN;
CREATE INDEX chunks_by_page ON chunks (page_id, model);
CREATE INDEX chunks_by_corpus ON chunks (corpus_id, model);

CREATE TABLE domains (
    domain text PRIMARY KEY,
    -- Ours, and what its robots.txt asks for: the longer one counts.
    delay_s double precision NOT NULL CHECK (delay_s >= 0),
    asked_delay_s double precision NOT NULL DEFAULT 0 CHECK (asked_delay_s >= 0),
    pace_s double precision NOT NULL GENERATED ALWAYS AS (greatest(delay_s, asked_delay_s)) STORED,
    next_at timestamptz NOT NULL DEFAULT '-infinity',
    last_caller text NOT NULL DEFAULT ''
) WITH (fillfactor = 70);

CREATE TABLE robots (
    origin text PRIMARY KEY,
    status integer NOT NULL,
    body bytea NOT NULL,
    fetched_at timestamptz NOT NULL
);

CREATE TABLE outbox (
    id uuid PRIMARY KEY,
    event jsonb NOT NULL,
    due_at timestamptz NOT NULL,
    published_at timestamptz
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX outbox_due ON outbox (due_at) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

CREATE TABLE inbox (
    source text NOT NULL,
    id text NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (source, id)
);
CREATE INDEX inbox_by_age ON inbox (received_at);

CREATE TABLE dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event jsonb NOT NULL,
    type text NOT NULL,
    subject text,
    destination text,
    status integer,
    received_at timestamptz NOT NULL
);
CREATE INDEX dead_letters_by_age ON dead_letters (received_at);

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    caller_id text NOT NULL,
    request_id text,
    action text NOT NULL,
    subject text,
    detail jsonb
);
CREATE INDEX audit_by_age ON audit (at);

CREATE TABLE api_keys (
    key_hash text PRIMARY KEY,
    caller_id text NOT NULL,
    caller_type text NOT NULL CHECK (caller_type IN ('user', 'service', 'unknown')),
    tier text NOT NULL,
    scopes text[] NOT NULL DEFAULT '{}',
    label text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX api_keys_by_caller ON api_keys (caller_id);

-- When a stage's workers were last told of work, and when somebody last looked for what is overdue.
CREATE TABLE turns (
    what text PRIMARY KEY,
    taken_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO turns (what) VALUES ('wake scrape'), ('wake embed'), ('sweep'), ('trim');

-- Is there a document that a scrape worker would be given now? Looks at the head of each lane, not at each document.
CREATE FUNCTION scrape_ready(at timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
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
    )
    SELECT EXISTS (
        SELECT 1 FROM lanes l CROSS JOIN LATERAL (
            SELECT d.domain, d.not_before FROM documents d
            WHERE d.state = 'pending' AND d.deaths = 0 AND d.caller_id = l.caller_id AND d.lane = l.lane
            ORDER BY d.not_before, d.ordinal LIMIT 1
        ) head
        JOIN domains n ON n.domain = head.domain
        WHERE head.not_before <= at AND n.next_at <= at
    ) OR EXISTS (
        SELECT 1 FROM documents d JOIN domains n ON n.domain = d.domain
        WHERE d.state = 'pending' AND d.deaths > 0 AND d.lease_until IS NULL
        AND d.not_before <= at AND n.next_at <= at
    )
$$;

CREATE FUNCTION embed_ready(at timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
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
    )
    SELECT EXISTS (
        SELECT 1 FROM callers c CROSS JOIN LATERAL (
            SELECT 1 FROM documents d
            WHERE d.state = 'embedding' AND d.lease_until IS NULL AND d.deaths = 0
            AND d.caller_id = c.caller_id AND d.not_before <= at
            ORDER BY d.not_before LIMIT 1
        ) ready
    ) OR EXISTS (
        SELECT 1 FROM documents d
        WHERE d.state = 'embedding' AND d.deaths > 0 AND d.lease_until IS NULL AND d.not_before <= at
    )
$$;

-- Which stage has ready work while nobody was told of any for a while?
CREATE FUNCTION unheard(stage text, at timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM turns t WHERE t.what = 'wake ' || stage AND t.taken_at <= at - interval '5 seconds')
    AND CASE stage WHEN 'scrape' THEN scrape_ready(at) ELSE embed_ready(at) END
$$;

-- True whenever a sweep would do something at this moment. Every branch reads the head of an index.
CREATE FUNCTION is_overdue(at timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM documents d WHERE d.lease_until <= at)
    OR EXISTS (SELECT 1 FROM documents d WHERE d.state = 'chunking' AND d.not_before <= at)
    OR EXISTS (SELECT 1 FROM outbox o WHERE o.published_at IS NULL AND o.due_at <= at)
    OR EXISTS (
        SELECT 1 FROM jobs j WHERE j.state IN ('accepted', 'running') AND NOT EXISTS (
            SELECT 1 FROM documents d
            WHERE d.job_id = j.id AND d.state IN ('pending', 'scraping', 'chunking', 'embedding')
        )
    )
    OR unheard('scrape', at)
    OR unheard('embed', at)
$$;

CREATE VIEW overdue AS SELECT is_overdue(now()) AS overdue;
