-- Those of some traces of which other requests brought spans, too.
-- $1 tenants, $2 trace ids, $3 and $4 instants between which those spans started, $5 the `kept` of this request
-- Rows: tenant, trace_id. Index: span_pkey
SELECT a.tenant, a.trace_id
FROM unnest($1::text[], $2::bytea[]) AS a(tenant, trace_id)
CROSS JOIN LATERAL (
    SELECT 1 AS found
    FROM span s
    WHERE s.trace_id = a.trace_id AND s.tenant = a.tenant AND s.kept <> $5 AND s.started_at >= $3 AND s.started_at < $4
    LIMIT 1
) f
