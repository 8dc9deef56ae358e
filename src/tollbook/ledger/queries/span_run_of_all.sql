-- The kept spans of every trace of any tenant in which a span names the run, oldest first.
-- $1 run, $2 spans at most
-- Rows: the columns of ports.spans.SpanView in its order. Index: span_run, span_pkey
SELECT
    s.tenant, s.trace_id, s.span_id, s.parent_id, s.started_at, s.ended_at, s.name, s.kind, s.failed, s.kept, s.facts,
    s.attributes
FROM span s
WHERE (s.tenant, s.trace_id) IN (SELECT r.tenant, r.trace_id FROM span r WHERE r.run = $1)
ORDER BY s.started_at, s.span_id
LIMIT $2
