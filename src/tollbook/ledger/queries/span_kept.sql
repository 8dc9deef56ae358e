-- Spans as they were kept.
-- $1 tenants, $2 trace ids, $3 span ids
-- Rows: the columns of ports.spans.KeptSpan in its order. Index: span_pkey
SELECT s.tenant, s.trace_id, s.span_id, s.parent_id, s.kept, s.facts
FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS a(tenant, trace_id, span_id)
JOIN span s ON s.trace_id = a.trace_id AND s.span_id = a.span_id AND s.tenant = a.tenant
