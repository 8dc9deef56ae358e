-- Remembers stored requests as done with; one that is remembered already stays as it is.
-- $1 source id, pairwise: $2 request ids, $3 why refused or null, $4 body or null; $5 now
-- Lock order: by request id. Nothing is kept of a source that was removed meanwhile.
INSERT INTO source_request (source_id, request_id, refused, body, seen_at)
SELECT s.source_id, t.request_id, t.refused, t.body, $5::timestamptz
FROM unnest($2::text[], $3::text[], $4::text[]) AS t (request_id, refused, body)
JOIN source s ON s.source_id = $1
ORDER BY t.request_id
ON CONFLICT DO NOTHING
