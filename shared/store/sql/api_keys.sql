-- name: find
SELECT * FROM api_keys WHERE key_hash = $1;

-- name: find_by_id
-- $1 the first 16 digits of its hash
SELECT * FROM api_keys WHERE left(key_hash, 16) = $1;

-- name: add
INSERT INTO api_keys (key_hash, caller_id, caller_type, tier, scopes, label, created_at, revoked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING
RETURNING true;

-- name: revoke
UPDATE api_keys SET revoked_at = $2 WHERE key_hash = $1 AND (revoked_at IS NULL OR revoked_at > $2) RETURNING true;

-- name: list
SELECT * FROM api_keys WHERE $1::text IS NULL OR caller_id = $1 ORDER BY created_at, key_hash;
