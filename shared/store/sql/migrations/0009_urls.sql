-- "What became of this URL?" is asked by people. By its hash, because a URL may be longer than an index entry.
CREATE INDEX documents_by_url ON documents (caller_id, hashtext(url), created_at DESC, id DESC);
