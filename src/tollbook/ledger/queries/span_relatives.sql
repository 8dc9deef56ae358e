-- Kept ancestors and descendants of some spans of one tenant, which started within some time of them.
-- $1 tenant, $2 trace ids and $3 span ids to begin with above, $4 and $5 those whose children to begin with below,
-- $6 and $7 instants between which they started, $8 spans at most
-- Rows: the columns of ports.spans.KeptSpan in its order. UNION ends a ring of parents. Index: span_pkey, span_parent
WITH RECURSIVE above AS (
    SELECT s.trace_id, s.span_id, s.parent_id, s.kept, s.facts
    FROM unnest($2::bytea[], $3::bytea[]) AS a(trace_id, span_id)
    JOIN span s ON s.trace_id = a.trace_id AND s.span_id = a.span_id AND s.tenant = $1
        AND s.started_at >= $6 AND s.started_at < $7
    UNION
    SELECT s.trace_id, s.span_id, s.parent_id, s.kept, s.facts
    FROM above a
    JOIN span s ON s.trace_id = a.trace_id AND s.span_id = a.parent_id AND s.tenant = $1
        AND s.started_at >= $6 AND s.started_at < $7
), below AS (
    SELECT s.trace_id, s.span_id, s.parent_id, s.kept, s.facts
    FROM unnest($4::bytea[], $5::bytea[]) AS a(trace_id, span_id)
    JOIN span s ON s.trace_id = a.trace_id AND s.parent_id = a.span_id AND s.tenant = $1
        AND s.started_at >= $6 AND s.started_at < $7
    UNION
    SELECT s.trace_id, s.span_id, s.parent_id, s.kept, s.facts
    FROM below b
    JOIN span s ON s.trace_id = b.trace_id AND s.parent_id = b.span_id AND s.tenant = $1
        AND s.started_at >= $6 AND s.started_at < $7
)
SELECT k.trace_id, k.span_id, k.parent_id, k.kept, k.facts
FROM (
    SELECT a.trace_id, a.span_id, a.parent_id, a.kept, a.facts FROM above a
    UNION SELECT b.trace_id, b.span_id, b.parent_id, b.kept, b.facts FROM below b
) k
LIMIT $8
