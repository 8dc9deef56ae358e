-- Keeps spans of one tenant, each once; what is there already stays as it is.
-- $1 tenant, then arrays: $2 trace ids, $3 span ids, $4 parent ids or null, $5 instants of start, $6 of end,
-- $7 kept (Unix microseconds), $8 failed, $9 names, $10 kinds, $11 runs or null, $12 facts, $13 attributes (JSON) or null
-- Rows: trace_id, span_id of those that were not there. Locks: rows in key order. Index: span_pkey
INSERT INTO span (
    tenant, trace_id, span_id, parent_id, started_at, ended_at, kept, failed, name, kind, run, facts, attributes
)
SELECT $1, a.* FROM unnest(
    $2::bytea[], $3::bytea[], $4::bytea[], $5::timestamptz[], $6::timestamptz[], $7::bigint[], $8::boolean[], $9::text[],
    $10::text[], $11::text[], $12::bytea[], $13::jsonb[]
) AS a(trace_id, span_id, parent_id, started_at, ended_at, kept, failed, name, kind, run, facts, attributes)
ORDER BY a.trace_id, a.span_id
ON CONFLICT DO NOTHING
RETURNING trace_id, span_id
