-- Pages that asked not to be found: nothing that was fetched before that is shown any more.
CREATE TABLE withdrawals (
    corpus_id uuid NOT NULL REFERENCES corpora ON DELETE CASCADE,
    url text NOT NULL,
    withdrawn_at timestamptz NOT NULL,
    PRIMARY KEY (corpus_id, url)
);
