-- name: corpus
-- $1 caller, $2 name or id, $3 whether it may decide about corpora of others, too
SELECT id, caller_id FROM corpora
WHERE deleted_at IS NULL
    AND ((caller_id = $1 AND name = $2) OR (id = corpus_id_in($2) AND (caller_id = $1 OR $3::boolean)))
ORDER BY caller_id = $1 AND name = $2 DESC LIMIT 1;

-- name: grant
-- $1 corpus, $2 to whom, $3 read or write, $4 now
INSERT INTO corpus_grants (corpus_id, caller_id, access, granted_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (corpus_id, caller_id) DO UPDATE SET access = excluded.access, granted_at = excluded.granted_at
RETURNING corpus_id, caller_id, access, granted_at;

-- name: revoke
DELETE FROM corpus_grants WHERE corpus_id = $1 AND caller_id = $2
RETURNING corpus_id, caller_id, access, granted_at;

-- name: given
-- $1 corpus, $2 the caller last seen, $3 limit
SELECT corpus_id, caller_id, access, granted_at FROM corpus_grants
WHERE corpus_id = $1 AND caller_id > $2 ORDER BY caller_id LIMIT $3;

-- name: received
-- $1 caller, $2 the corpus last seen, or null, $3 limit
SELECT g.corpus_id, c.name, c.caller_id AS owner, g.access, g.granted_at
FROM corpus_grants g JOIN corpora c ON c.id = g.corpus_id
WHERE g.caller_id = $1 AND ($2::uuid IS NULL OR g.corpus_id > $2) AND c.deleted_at IS NULL
ORDER BY g.corpus_id LIMIT $3;
