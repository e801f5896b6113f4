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

-- `caller_id` may look at and search a corpus of another caller.
CREATE TABLE corpus_grants (
    corpus_id uuid NOT NULL REFERENCES corpora ON DELETE CASCADE,
    caller_id text NOT NULL,
    granted_at timestamptz NOT NULL,
    PRIMARY KEY (corpus_id, caller_id)
);

-- People name a key by the beginning of its hash.
CREATE UNIQUE INDEX api_keys_by_id ON api_keys (left(key_hash, 16));

CREATE INDEX audit_by_caller ON audit (caller_id, id);
