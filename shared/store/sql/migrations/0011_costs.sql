-- What work took: appended with each report of a try, and folded into sums that nobody waits for. A reader adds what is
-- not folded yet, so that every snapshot has the whole.

CREATE TABLE cost_deltas (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id uuid NOT NULL,
    job_id uuid NOT NULL,
    corpus_id uuid NOT NULL,
    caller_id text NOT NULL,
    hour timestamptz NOT NULL,
    attempts bigint NOT NULL,
    fetched_bytes bigint NOT NULL,
    decoded_bytes bigint NOT NULL,
    text_bytes bigint NOT NULL,
    chunks bigint NOT NULL,
    indexed_tokens bigint NOT NULL,
    embedded_tokens bigint NOT NULL,
    embed_requests double precision NOT NULL,
    scrape_cpu_s double precision NOT NULL,
    chunk_cpu_s double precision NOT NULL,
    embed_cpu_s double precision NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX cost_deltas_by_job ON cost_deltas (job_id);
CREATE INDEX cost_deltas_by_caller ON cost_deltas (caller_id);

-- Of a sitemap, too, that gave way to what it lists.
CREATE TABLE document_costs (
    document_id uuid PRIMARY KEY,
    job_id uuid NOT NULL,
    attempts bigint NOT NULL,
    fetched_bytes bigint NOT NULL,
    decoded_bytes bigint NOT NULL,
    text_bytes bigint NOT NULL,
    chunks bigint NOT NULL,
    indexed_tokens bigint NOT NULL,
    embedded_tokens bigint NOT NULL,
    embed_requests double precision NOT NULL,
    scrape_cpu_s double precision NOT NULL,
    chunk_cpu_s double precision NOT NULL,
    embed_cpu_s double precision NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX document_costs_by_job ON document_costs (job_id);

CREATE TABLE job_costs (
    job_id uuid PRIMARY KEY,
    attempts bigint NOT NULL,
    fetched_bytes bigint NOT NULL,
    decoded_bytes bigint NOT NULL,
    text_bytes bigint NOT NULL,
    chunks bigint NOT NULL,
    indexed_tokens bigint NOT NULL,
    embedded_tokens bigint NOT NULL,
    embed_requests double precision NOT NULL,
    scrape_cpu_s double precision NOT NULL,
    chunk_cpu_s double precision NOT NULL,
    embed_cpu_s double precision NOT NULL
) WITH (fillfactor = 80);

-- A corpus that was deleted is the nil id here: what its caller spent stays spent.
CREATE TABLE caller_costs (
    caller_id text NOT NULL,
    hour timestamptz NOT NULL,
    corpus_id uuid NOT NULL,
    attempts bigint NOT NULL,
    fetched_bytes bigint NOT NULL,
    decoded_bytes bigint NOT NULL,
    text_bytes bigint NOT NULL,
    chunks bigint NOT NULL,
    indexed_tokens bigint NOT NULL,
    embedded_tokens bigint NOT NULL,
    embed_requests double precision NOT NULL,
    scrape_cpu_s double precision NOT NULL,
    chunk_cpu_s double precision NOT NULL,
    embed_cpu_s double precision NOT NULL,
    PRIMARY KEY (caller_id, hour, corpus_id)
) WITH (fillfactor = 80);
CREATE INDEX caller_costs_by_hour ON caller_costs (hour);
CREATE INDEX caller_costs_by_corpus ON caller_costs (corpus_id);

CREATE VIEW document_cost_parts AS
SELECT document_id, job_id, attempts, fetched_bytes, decoded_bytes, text_bytes, chunks, indexed_tokens, embedded_tokens,
    embed_requests, scrape_cpu_s, chunk_cpu_s, embed_cpu_s
FROM document_costs
UNION ALL
SELECT document_id, job_id, attempts, fetched_bytes, decoded_bytes, text_bytes, chunks, indexed_tokens, embedded_tokens,
    embed_requests, scrape_cpu_s, chunk_cpu_s, embed_cpu_s
FROM cost_deltas;

CREATE VIEW job_cost_parts AS
SELECT job_id, attempts, fetched_bytes, decoded_bytes, text_bytes, chunks, indexed_tokens, embedded_tokens,
    embed_requests, scrape_cpu_s, chunk_cpu_s, embed_cpu_s
FROM job_costs
UNION ALL
SELECT job_id, attempts, fetched_bytes, decoded_bytes, text_bytes, chunks, indexed_tokens, embedded_tokens,
    embed_requests, scrape_cpu_s, chunk_cpu_s, embed_cpu_s
FROM cost_deltas;

CREATE VIEW caller_cost_parts AS
SELECT caller_id, hour, corpus_id, attempts, fetched_bytes, decoded_bytes, text_bytes, chunks, indexed_tokens,
    embedded_tokens, embed_requests, scrape_cpu_s, chunk_cpu_s, embed_cpu_s
FROM caller_costs
UNION ALL
SELECT caller_id, hour, corpus_id, attempts, fetched_bytes, decoded_bytes, text_bytes, chunks, indexed_tokens,
    embedded_tokens, embed_requests, scrape_cpu_s, chunk_cpu_s, embed_cpu_s
FROM cost_deltas;
