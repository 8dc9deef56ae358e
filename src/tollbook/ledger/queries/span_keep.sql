-- Keeps the spans of span_given, each once; what is there already stays as it is.
-- Rows: tenant, trace_id, span_id of those that were there before, which are few. Lock order: by trace and span.
-- Index: span_pkey
WITH new AS (
    INSERT INTO span (
        tenant, trace_id, span_id, parent_id, started_at, ended_at, name, kind, failed, run, kept, facts, attributes
    )
    SELECT
        g.tenant, g.trace_id, g.span_id, g.parent_id, g.started_at, g.ended_at, g.name, g.kind, g.failed, g.run, g.kept,
        g.facts, g.attributes
    FROM span_given g
    ORDER BY g.trace_id, g.span_id
    ON CONFLICT DO NOTHING
    RETURNING tenant, trace_id, span_id
)
SELECT g.tenant, g.trace_id, g.span_id FROM span_given g
EXCEPT ALL
SELECT n.tenant, n.trace_id, n.span_id FROM new n
