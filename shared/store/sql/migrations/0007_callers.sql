-- What is known of callers beside their keys: how much of the workers' time they get, and what they let others see.

-- A caller that is not here weighs 1.
CREATE TABLE caller_weights (
    caller_id text PRIMARY KEY,
    weight integer NOT NULL CHECK (weight BETWEEN 1 AND 1000)
);

-- From 0 to 1, another for each caller and each moment.
CREATE FUNCTION luck(caller_id text, at timestamptz) RETURNS double precision LANGUAGE sql STABLE AS $$
    SELECT (hashtext(caller_id || extract(epoch FROM at)::text)::double precision + 2147483648.0) / 4294967296.0
$$;

-- `caller_id` may look at, search and export a corpus of another caller; with `write` hand in URLs for it, too.
CREATE TABLE corpus_grants (
    corpus_id uuid NOT NULL REFERENCES corpora ON DELETE CASCADE,
    caller_id text NOT NULL,
    access text NOT NULL CHECK (access IN ('read', 'write')),
    granted_at timestamptz NOT NULL,
    PRIMARY KEY (corpus_id, caller_id)
);
CREATE INDEX corpus_grants_by_caller ON corpus_grants (caller_id, corpus_id);

-- The id that a name of this form is; null for any other.
CREATE FUNCTION corpus_id_in(name text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN name ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN name::uuid END
$$;

-- What a caller means: its own corpus of this name, or the one with this id, when it is its own or was granted.
CREATE FUNCTION reachable_corpus(caller text, called text, needed text) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT c.id FROM corpora c WHERE c.caller_id = caller AND c.name = called AND c.deleted_at IS NULL),
        (
            SELECT c.id FROM corpora c
            WHERE c.id = corpus_id_in(called) AND c.deleted_at IS NULL AND (
                c.caller_id = caller OR EXISTS (
                    SELECT 1 FROM corpus_grants g
                    WHERE g.corpus_id = c.id AND g.caller_id = caller AND (needed = 'read' OR g.access = 'write')
                )
            )
        )
    )
$$;

-- As before, but a corpus of another caller is called as this caller has to call it.
CREATE OR REPLACE VIEW job_views AS
SELECT j.id, j.caller_id, j.corpus_id, CASE WHEN c.caller_id = j.caller_id THEN c.name ELSE c.id::text END AS corpus,
    j.state AS status, j.total, j.created_at, j.cancel_requested_at, j.ended_at,
    coalesce(j.rated_from, j.created_at) AS rated_from, j.rated_base, j.sitemap IS NOT NULL AS from_sitemap,
    j.webhook ->> 'url' AS webhook_url, j.request_sha256,
    (SELECT jsonb_object_agg(d.state, d.n) FROM (
        SELECT state, sum(n) AS n FROM job_deltas WHERE job_id = j.id GROUP BY state HAVING sum(n) <> 0
    ) d) AS counts
FROM jobs j JOIN corpora c ON c.id = j.corpus_id
WHERE c.deleted_at IS NULL;

-- People name a key by the beginning of its hash.
CREATE UNIQUE INDEX api_keys_by_id ON api_keys (left(key_hash, 16));

CREATE INDEX audit_by_caller ON audit (caller_id, id);
