-- A corpus may have a million jobs of others beside a few of the caller's, and a few that failed among a million.
DROP INDEX jobs_by_corpus;
CREATE INDEX jobs_by_corpus ON jobs (corpus_id, caller_id, created_at DESC, id DESC);
CREATE INDEX jobs_by_corpus_and_state ON jobs (corpus_id, caller_id, state, created_at DESC, id DESC);
