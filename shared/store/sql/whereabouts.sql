-- name: of_url
-- $1 caller, $2 a URL, $3 and $4 time and id of the last one seen, $5 limit. The newest first, in the order of an index.
SELECT d.id, d.job_id, c.name AS corpus, d.state, d.created_at
FROM documents d JOIN corpora c ON c.id = d.corpus_id
WHERE d.caller_id = $1 AND hashtext(d.url) = hashtext($2::text) AND d.url = $2 AND c.deleted_at IS NULL
AND (d.created_at, d.id)
    < (coalesce($3, 'infinity'::timestamptz), coalesce($4, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
ORDER BY d.created_at DESC, d.id DESC LIMIT $5;

-- name: document
-- $1 caller, $2 a document, $3 where counting those ahead of it ends. Of what belongs to others it tells nothing: those
-- ahead are the caller's own, of the same domain while it waits to be fetched.
SELECT v.id, v.ordinal, v.url, v.is_sitemap, v.state, v.token, v.attempt, v.error_stage, v.error_kind, v.error_code,
    v.error_message, v.chunks, v.tokens, v.not_before, v.lease_until, v.domain_next_at, v.domain_reason, v.updated_at,
    v.ended_at, v.job_id, c.name AS corpus, d.created_at, d.deaths, d.nudges, d.reported, d.domain,
    coalesce(n.pace_s, 0) AS pace_s, j.state AS job_status, j.cancel_requested_at,
    p.document_id AS shown_document_id, p.indexed_at AS shown_since,
    CASE v.state
        WHEN 'pending' THEN (SELECT count(*) FROM (
            SELECT 1 FROM documents o
            WHERE o.state = 'pending' AND o.deaths = 0 AND o.caller_id = d.caller_id AND o.lane = d.lane
            AND (o.not_before, o.ordinal) < (d.not_before, d.ordinal) AND o.domain = d.domain
            LIMIT $3
        ) ahead)
        WHEN 'embedding' THEN (SELECT count(*) FROM (
            SELECT 1 FROM documents o
            WHERE o.state = 'embedding' AND o.lease_until IS NULL AND o.deaths = 0 AND o.caller_id = d.caller_id
            AND (o.not_before, o.ordinal) < (d.not_before, d.ordinal)
            LIMIT $3
        ) ahead)
        ELSE 0
    END AS ahead
FROM document_views v
JOIN documents d ON d.id = v.id
JOIN jobs j ON j.id = v.job_id
JOIN corpora c ON c.id = j.corpus_id AND c.deleted_at IS NULL
LEFT JOIN domains n ON n.domain = d.domain
LEFT JOIN pages p ON p.corpus_id = d.corpus_id AND p.url = d.url
WHERE v.caller_id = $1 AND v.id = $2;
