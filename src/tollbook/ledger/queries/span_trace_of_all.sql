-- The kept spans of a trace of any tenant, oldest first.
-- $1 trace id, $2 spans at most
-- Rows: the columns of ports.spans.SpanView in its order. Index: span_pkey
SELECT
    s.tenant, s.trace_id, s.span_id, s.parent_id, s.started_at, s.ended_at, s.name, s.kind, s.failed, s.kept, s.facts,
    s.attributes
FROM span s
WHERE s.trace_id = $1
ORDER BY s.started_at, s.span_id
LIMIT $2
