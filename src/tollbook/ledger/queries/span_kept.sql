-- Spans of one tenant as they were kept.
-- $1 tenant, $2 trace ids, $3 span ids
-- Rows: the columns of ports.spans.KeptSpan in its order. Index: span_pkey
SELECT s.trace_id, s.span_id, s.parent_id, s.kept, s.facts
FROM unnest($2::bytea[], $3::bytea[]) AS a(trace_id, span_id)
JOIN span s ON s.trace_id = a.trace_id AND s.span_id = a.span_id AND s.tenant = $1
