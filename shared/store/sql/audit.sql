-- name: add
INSERT INTO audit (at, caller_id, request_id, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6);

-- name: add_dead_letter
INSERT INTO dead_letters (event, type, subject, destination, status, received_at) VALUES ($1, $2, $3, $4, $5, $6);

-- name: add_rows
INSERT INTO audit (at, caller_id, request_id, action, subject, detail)
SELECT at, caller_id, request_id, action, subject, detail::jsonb
FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    AS u (at, caller_id, request_id, action, subject, detail);

-- name: list
-- $1 caller, $2 action or the beginning of one, $3 subject, $4 request, $5 since: each may be null. $6 limit
SELECT id, at, caller_id, request_id, action, subject, detail FROM audit
WHERE ($1::text IS NULL OR caller_id = $1)
    AND ($2::text IS NULL OR action = $2 OR (right($2, 1) = '.' AND starts_with(action, $2)))
    AND ($3::text IS NULL OR subject = $3) AND ($4::text IS NULL OR request_id = $4)
    AND ($5::timestamptz IS NULL OR at >= $5)
ORDER BY id DESC LIMIT $6;

-- name: list_after
-- as list, and $6 the id to go on after, $7 limit
SELECT id, at, caller_id, request_id, action, subject, detail FROM audit
WHERE ($1::text IS NULL OR caller_id = $1)
    AND ($2::text IS NULL OR action = $2 OR (right($2, 1) = '.' AND starts_with(action, $2)))
    AND ($3::text IS NULL OR subject = $3) AND ($4::text IS NULL OR request_id = $4)
    AND ($5::timestamptz IS NULL OR at >= $5) AND id > $6
ORDER BY id LIMIT $7;
