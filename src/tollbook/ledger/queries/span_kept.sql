-- Spans as they were kept.
-- $1 tenants, $2 trace ids, $3 span ids
-- Rows: the columns of ports.spans.KeptSpan in its order. OFFSET 0 has each looked up by its key. Index: span_pkey
SELECT f.tenant, f.trace_id, f.span_id, f.parent_id, f.kept, f.facts
FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS a(tenant, trace_id, span_id)
CROSS JOIN LATERAL (
    SELECT s.tenant, s.trace_id, s.span_id, s.parent_id, s.kept, s.facts
    FROM span s
    WHERE s.trace_id = a.trace_id AND s.span_id = a.span_id AND s.tenant = a.tenant
    OFFSET 0
) f
