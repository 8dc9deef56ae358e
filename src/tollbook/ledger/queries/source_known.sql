-- Which stored requests of a source are done with.
-- $1 source id, $2 request ids
-- Rows: request_id. Index: source_request_pkey
SELECT r.request_id FROM source_request r WHERE r.source_id = $1 AND r.request_id = ANY($2::text[])
