-- Forgets requests taken before an instant that are not in the inbox any more.
-- $1 source id, $2 request ids in the inbox, $3 instant
-- Index: source_request_seen
DELETE FROM source_request r
WHERE r.source_id = $1 AND r.seen_at < $3 AND r.refused IS NULL AND r.request_id <> ALL($2::text[])
