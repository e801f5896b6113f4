-- name: add
INSERT INTO audit (at, caller_id, request_id, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6);

-- name: add_dead_letter
INSERT INTO dead_letters (event, type, subject, destination, status, received_at) VALUES ($1, $2, $3, $4, $5, $6);
