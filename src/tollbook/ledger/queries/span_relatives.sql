-- Kept ancestors and descendants of some spans, which started within some time of them.
-- $1 tenants, $2 trace ids and $3 span ids to begin with above, $4, $5 and $6 those whose children to begin with below,
-- $7 and $8 instants between which they started, $9 spans at most, $10 the `kept` of spans that are left out
-- Rows: the columns of ports.spans.KeptSpan in its order. UNION ends a ring of parents. OFFSET 0 has each span looked up
-- by its key: a join would rather read all that started within that time. Index: span_pkey, span_parent
WITH RECURSIVE above AS (
    SELECT f.tenant, f.trace_id, f.span_id, f.parent_id, f.kept, f.facts
    FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS a(tenant, trace_id, span_id)
    CROSS JOIN LATERAL (
        SELECT s.tenant, s.trace_id, s.span_id, s.parent_id, s.kept, s.facts
        FROM span s
        WHERE s.trace_id = a.trace_id AND s.span_id = a.span_id AND s.tenant = a.tenant AND s.kept <> $10
            AND s.started_at >= $7 AND s.started_at < $8
        OFFSET 0
    ) f
    UNION
    SELECT f.tenant, f.trace_id, f.span_id, f.parent_id, f.kept, f.facts
    FROM above a
    CROSS JOIN LATERAL (
        SELECT s.tenant, s.trace_id, s.span_id, s.parent_id, s.kept, s.facts
        FROM span s
        WHERE s.trace_id = a.trace_id AND s.span_id = a.parent_id AND s.tenant = a.tenant AND s.kept <> $10
            AND s.started_at >= $7 AND s.started_at < $8
        OFFSET 0
    ) f
), below AS (
    SELECT f.tenant, f.trace_id, f.span_id, f.parent_id, f.kept, f.facts
    FROM unnest($4::text[], $5::bytea[], $6::bytea[]) AS a(tenant, trace_id, span_id)
    CROSS JOIN LATERAL (
        SELECT s.tenant, s.trace_id, s.span_id, s.parent_id, s.kept, s.facts
        FROM span s
        WHERE s.trace_id = a.trace_id AND s.parent_id = a.span_id AND s.tenant = a.tenant AND s.kept <> $10
            AND s.started_at >= $7 AND s.started_at < $8
        OFFSET 0
    ) f
    UNION
    SELECT f.tenant, f.trace_id, f.span_id, f.parent_id, f.kept, f.facts
    FROM below a
    CROSS JOIN LATERAL (
        SELECT s.tenant, s.trace_id, s.span_id, s.parent_id, s.kept, s.facts
        FROM span s
        WHERE s.trace_id = a.trace_id AND s.parent_id = a.span_id AND s.tenant = a.tenant AND s.kept <> $10
            AND s.started_at >= $7 AND s.started_at < $8
        OFFSET 0
    ) f
)
SELECT k.tenant, k.trace_id, k.span_id, k.parent_id, k.kept, k.facts
FROM (
    SELECT a.tenant, a.trace_id, a.span_id, a.parent_id, a.kept, a.facts FROM above a
    UNION SELECT b.tenant, b.trace_id, b.span_id, b.parent_id, b.kept, b.facts FROM below b
) k
LIMIT $9
