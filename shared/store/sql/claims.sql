-- name: scrape
-- $1 limit, $2 lease in seconds, $3 now, $4 may take a suspect, $5 the lane and $6 the caller to begin after
WITH RECURSIVE suspects AS MATERIALIZED (
    SELECT d.id, d.caller_id, d.domain, n.pace_s
    FROM documents d JOIN domains n ON n.domain = d.domain
    WHERE $4::boolean AND d.state = 'pending' AND d.deaths > 0 AND d.lease_until IS NULL
    AND d.not_before <= $3 AND n.next_at <= $3
    ORDER BY d.not_before LIMIT 1
    FOR UPDATE OF d SKIP LOCKED
), callers (caller_id, wrapped, place) AS (
    SELECT $6::text, false, 0
    UNION ALL
    SELECT next.caller_id, next.wrapped, c.place + 1 FROM callers c CROSS JOIN LATERAL (
        (SELECT d.caller_id, c.wrapped AS wrapped FROM documents d
        WHERE d.state = 'pending' AND d.deaths = 0 AND d.caller_id > c.caller_id
        AND (NOT c.wrapped OR d.caller_id <= $6)
        ORDER BY d.caller_id LIMIT 1)
        UNION ALL
        (SELECT d.caller_id, true FROM documents d
        WHERE NOT c.wrapped AND d.state = 'pending' AND d.deaths = 0 AND d.caller_id <= $6
        ORDER BY d.caller_id LIMIT 1)
        LIMIT 1
    ) next
    WHERE c.place < 32
), candidates AS MATERIALIZED (
    SELECT c.caller_id, c.place, ready.*, row_number() OVER (PARTITION BY c.caller_id) AS turn
    FROM callers c CROSS JOIN LATERAL (
        WITH RECURSIVE lanes (lane, wrapped) AS (
            SELECT $5::bigint, false
            UNION ALL
            SELECT next.lane, next.wrapped FROM lanes l CROSS JOIN LATERAL (
                (SELECT d.lane::bigint AS lane, l.wrapped AS wrapped FROM documents d
                WHERE d.state = 'pending' AND d.deaths = 0 AND d.caller_id = c.caller_id AND d.lane > l.lane
                AND (NOT l.wrapped OR d.lane <= $5)
                ORDER BY d.lane LIMIT 1)
                UNION ALL
                (SELECT d.lane::bigint, true FROM documents d
                WHERE NOT l.wrapped AND d.state = 'pending' AND d.deaths = 0 AND d.caller_id = c.caller_id
                AND d.lane <= $5
                ORDER BY d.lane LIMIT 1)
                LIMIT 1
            ) next
        )
        SELECT doc.id, n.domain, n.pace_s, n.last_caller
        FROM lanes l CROSS JOIN LATERAL (
            SELECT d.domain FROM documents d
            WHERE d.state = 'pending' AND d.deaths = 0 AND d.caller_id = c.caller_id AND d.lane = l.lane
            ORDER BY d.not_before, d.ordinal LIMIT 1
        ) head
        JOIN domains n ON n.domain = head.domain AND n.next_at <= $3
        CROSS JOIN LATERAL (
            SELECT d.id FROM documents d
            WHERE d.state = 'pending' AND d.deaths = 0 AND d.caller_id = c.caller_id AND d.lane = l.lane
            AND d.not_before <= $3 AND d.domain = n.domain
            ORDER BY d.not_before, d.ordinal
            LIMIT CASE WHEN n.pace_s > 0 THEN 1 ELSE $1::integer END
            FOR UPDATE SKIP LOCKED
        ) doc
        WHERE l.wrapped OR l.lane > $5
        LIMIT $1
    ) ready
    WHERE c.place > 0 AND NOT EXISTS (SELECT 1 FROM suspects)
), in_hand AS (
    SELECT d.caller_id, count(*) AS n FROM documents d
    WHERE d.lease_until IS NOT NULL AND d.state = 'scraping'
    GROUP BY d.caller_id
), eligible AS (
    -- Each caller's turns are spread by its weight; within a turn the dice decide, so that no weight starves another.
    SELECT id, domain, pace_s,
        (turn + coalesce(in_hand.n, 0) - luck(caller_id, $3)) / coalesce(w.weight, 1) AS turn,
        row_number() OVER (PARTITION BY domain ORDER BY caller_id <= last_caller, caller_id, turn) AS nth
    FROM candidates LEFT JOIN in_hand USING (caller_id) LEFT JOIN caller_weights w USING (caller_id)
), chosen AS MATERIALIZED (
    (SELECT id, domain, pace_s FROM eligible WHERE pace_s = 0 OR nth = 1 ORDER BY turn LIMIT $1)
    UNION ALL
    SELECT id, domain, pace_s FROM suspects
), open AS MATERIALIZED (
    SELECT n.domain FROM domains n
    WHERE n.domain IN (SELECT c.domain FROM chosen c WHERE c.pace_s > 0) AND n.next_at <= $3
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE documents d
    SET state = 'scraping', token = d.token + 1, lease_until = $3 + make_interval(secs => $2::double precision),
        updated_at = $3
    FROM chosen c
    WHERE d.id = c.id AND d.state = 'pending'
    AND (c.pace_s = 0 OR c.domain IN (SELECT o.domain FROM open o))
    RETURNING d.*
), paced AS (
    -- A domain that was slowed down recovers by a fifth a request; each refusal doubles its wait again.
    UPDATE domains n
    SET next_at = $3 + make_interval(secs => n.pace_s), last_caller = c.caller_id,
        slow_s = CASE WHEN 0.8 * n.slow_s > greatest(n.delay_s, n.asked_delay_s, 0.1) THEN 0.8 * n.slow_s ELSE 0 END
    FROM claimed c
    WHERE n.domain = c.domain AND n.pace_s > 0
), counted AS (
    INSERT INTO job_deltas (job_id, state, n)
    SELECT c.job_id, side.state, side.n * count(*)
    FROM claimed c CROSS JOIN (VALUES ('pending', -1), ('scraping', 1)) AS side (state, n)
    GROUP BY c.job_id, side.state, side.n
), started AS (
    UPDATE jobs SET state = 'running' WHERE id IN (
        SELECT j.id FROM jobs j WHERE j.id IN (SELECT c.job_id FROM claimed c) AND j.state = 'accepted'
        FOR UPDATE SKIP LOCKED
    )
)
SELECT c.id AS document_id, c.job_id, c.corpus_id, c.caller_id, c.token, c.attempt, c.deaths, c.url,
    coalesce(c.fetch_url, c.url) AS fetch_url, c.redirects, c.domain, p.etag, p.last_modified, c.not_before AS ready_at,
    c.replayed_at,
    CASE WHEN c.sitemap_depth IS NOT NULL THEN (j.sitemap - '{sitemaps,read}'::text[])::text END AS sitemap
FROM claimed c
JOIN jobs j ON j.id = c.job_id
JOIN corpora k ON k.id = c.corpus_id
LEFT JOIN pages p ON p.corpus_id = c.corpus_id AND p.url = c.url
    AND p.model = k.model AND p.chunker = k.chunker
    AND p.chunk_max_tokens = k.chunk_max_tokens AND p.chunk_overlap_tokens = k.chunk_overlap_tokens;

-- name: embed
-- $1 limit, $2 lease in seconds, $3 now, $4 may take a suspect, $5 token budget, $6 the caller to begin after
WITH RECURSIVE suspects AS MATERIALIZED (
    SELECT d.id FROM documents d
    WHERE $4::boolean AND d.state = 'embedding' AND d.deaths > 0 AND d.lease_until IS NULL AND d.not_before <= $3
    ORDER BY d.not_before LIMIT 1
    FOR UPDATE SKIP LOCKED
), callers (caller_id, wrapped, place) AS (
    SELECT $6::text, false, 0
    UNION ALL
    SELECT next.caller_id, next.wrapped, c.place + 1 FROM callers c CROSS JOIN LATERAL (
        (SELECT d.caller_id, c.wrapped AS wrapped FROM documents d
        WHERE d.state = 'embedding' AND d.lease_until IS NULL AND d.deaths = 0 AND d.caller_id > c.caller_id
        AND (NOT c.wrapped OR d.caller_id <= $6)
        ORDER BY d.caller_id LIMIT 1)
        UNION ALL
        (SELECT d.caller_id, true FROM documents d
        WHERE NOT c.wrapped AND d.state = 'embedding' AND d.lease_until IS NULL AND d.deaths = 0 AND d.caller_id <= $6
        ORDER BY d.caller_id LIMIT 1)
        LIMIT 1
    ) next
    WHERE c.place < 32
), candidates AS MATERIALIZED (
    SELECT c.caller_id, c.place, ready.*, row_number() OVER (PARTITION BY c.caller_id) AS turn
    FROM callers c CROSS JOIN LATERAL (
        SELECT d.id, d.tokens FROM documents d
        WHERE d.state = 'embedding' AND d.lease_until IS NULL AND d.deaths = 0 AND d.caller_id = c.caller_id
        AND d.not_before <= $3
        ORDER BY d.not_before, d.ordinal LIMIT $1
        FOR UPDATE SKIP LOCKED
    ) ready
    WHERE c.place > 0 AND NOT EXISTS (SELECT 1 FROM suspects)
), in_hand AS (
    SELECT d.caller_id, count(*) AS n FROM documents d
    WHERE d.lease_until IS NOT NULL AND d.state = 'embedding'
    GROUP BY d.caller_id
), queue AS (
    SELECT id, tokens, row_number() OVER (
        ORDER BY (turn + coalesce(in_hand.n, 0) - luck(caller_id, $3)) / coalesce(w.weight, 1)
    ) AS nth
    FROM candidates LEFT JOIN in_hand USING (caller_id) LEFT JOIN caller_weights w USING (caller_id)
), chosen AS MATERIALIZED (
    SELECT id FROM (SELECT id, nth, sum(tokens) OVER (ORDER BY nth) AS budget FROM queue) q
    WHERE nth <= $1::integer AND (nth = 1 OR budget <= $5::bigint)
    UNION ALL
    SELECT id FROM suspects
), claimed AS (
    UPDATE documents d
    SET token = d.token + 1, lease_until = $3 + make_interval(secs => $2::double precision), updated_at = $3
    FROM chosen c
    WHERE d.id = c.id AND d.state = 'embedding' AND d.lease_until IS NULL
    RETURNING d.*
)
SELECT c.id AS document_id, c.job_id, c.corpus_id, c.caller_id, c.token, c.attempt, c.deaths, c.url,
    c.text_key, c.text_sha256, c.text_size, c.chunks_key, c.chunks_sha256, c.chunks_size,
    c.chunks AS count, c.tokens, k.model, k.dimension, c.not_before AS ready_at,
    c.replayed_at
FROM claimed c JOIN corpora k ON k.id = c.corpus_id;

-- name: renew
-- $1 documents, $2 their tokens, $3 lease in seconds, $4 now
UPDATE documents d
SET lease_until = $4::timestamptz + make_interval(secs => $3::double precision)
FROM (
    SELECT h.id FROM documents h JOIN unnest($1::uuid[], $2::bigint[]) AS mine (id, token) USING (id, token)
    WHERE h.lease_until IS NOT NULL
    ORDER BY h.id FOR UPDATE OF h
) held
WHERE d.id = held.id
RETURNING d.id;

-- name: reported
-- $1 documents, $2 their tokens, $3 now, $4 and $5 the first and the longest wait for a result, in seconds. What has
-- moved on already is left alone.
UPDATE documents d
SET reported = true, lease_until = $3::timestamptz + make_interval(
    secs => least($5::double precision, $4::double precision * 2 ^ least(sent.nudges, 30))
)
FROM (
    SELECT h.id, h.nudges FROM documents h JOIN unnest($1::uuid[], $2::bigint[]) AS mine (id, token) USING (id, token)
    WHERE h.lease_until IS NOT NULL
    ORDER BY h.id FOR UPDATE OF h
) sent
WHERE d.id = sent.id;

-- name: leased
SELECT id AS document_id, token FROM documents WHERE lease_until IS NOT NULL;

-- name: release
-- $1 documents, $2 their tokens, $3 not before, $4 now, $5 a redirect's target and $6 its domain, or null, $7 for each
-- what it has cost, or null
WITH held AS MATERIALIZED (
    SELECT h.id, h.state, mine.cost
    FROM documents h
    JOIN unnest($1::uuid[], $2::bigint[], $7::jsonb[]) AS mine (id, token, cost) USING (id, token)
    WHERE h.lease_until IS NOT NULL
    ORDER BY h.id FOR UPDATE OF h
), met AS (
    INSERT INTO domains (domain, delay_s)
    SELECT $6, (SELECT max(n.delay_s) FROM domains n JOIN documents d ON d.domain = n.domain
        WHERE d.id IN (SELECT id FROM held))
    WHERE $6::text IS NOT NULL AND EXISTS (SELECT 1 FROM held)
    ON CONFLICT (domain) DO NOTHING
), freed AS (
    UPDATE documents d
    SET state = CASE held.state WHEN 'scraping' THEN 'pending' ELSE held.state END, token = d.token + 1,
        lease_until = NULL, reported = false, nudges = 0, not_before = $3, updated_at = $4,
        fetch_url = coalesce($5, d.fetch_url), domain = coalesce($6, d.domain),
        redirects = d.redirects + ($5::text IS NOT NULL)::integer
    FROM held
    WHERE d.id = held.id
    RETURNING d.id, d.job_id, d.corpus_id, d.caller_id, held.state, held.cost
), spent AS (
    INSERT INTO cost_deltas (
        document_id, job_id, corpus_id, caller_id, hour, attempts, fetched_bytes, decoded_bytes, text_bytes, chunks,
        indexed_tokens, embedded_tokens, embed_requests, scrape_cpu_s, chunk_cpu_s, embed_cpu_s
    )
    SELECT f.id, f.job_id, f.corpus_id, f.caller_id, date_trunc('hour', $4::timestamptz, 'UTC'), c.attempts,
        c.fetched_bytes, c.decoded_bytes, c.text_bytes, c.chunks, c.indexed_tokens, c.embedded_tokens, c.embed_requests,
        c.scrape_cpu_s, c.chunk_cpu_s, c.embed_cpu_s
    FROM freed f CROSS JOIN LATERAL jsonb_populate_record(NULL::cost_deltas, f.cost) c
    WHERE f.cost IS NOT NULL
)
INSERT INTO job_deltas (job_id, state, n)
SELECT f.job_id, side.state, side.n * count(*)
FROM freed f CROSS JOIN (VALUES ('scraping', -1), ('pending', 1)) AS side (state, n)
WHERE f.state = 'scraping'
GROUP BY f.job_id, side.state, side.n;
