-- Keeps spans, each once; what is there already stays as it is.
-- Arrays, in the order of ports.spans.SpanRow: $1 tenants, $2 trace ids, $3 span ids, $4 parent ids or null, $5 instants
-- of start, $6 of end, $7 names, $8 kinds, $9 failed, $10 runs or null, $11 kept (Unix nanoseconds), $12 facts,
-- $13 attributes (JSON) or null; sorted by trace and span, which is the order of locks
-- Rows: tenant, trace_id, span_id of those that were there before, which are few. Index: span_pkey
WITH given AS MATERIALIZED (
    SELECT
        a.tenant, a.trace_id, a.span_id, a.parent_id, a.started_at, a.ended_at, a.name, a.kind, a.failed, a.run, a.kept,
        a.facts, a.attributes
    FROM unnest(
        $1::text[], $2::bytea[], $3::bytea[], $4::bytea[], $5::timestamptz[], $6::timestamptz[], $7::text[], $8::text[],
        $9::boolean[], $10::text[], $11::bigint[], $12::bytea[], $13::text[]
    ) AS a(tenant, trace_id, span_id, parent_id, started_at, ended_at, name, kind, failed, run, kept, facts, attributes)
), new AS (
    INSERT INTO span (
        tenant, trace_id, span_id, parent_id, started_at, ended_at, name, kind, failed, run, kept, facts, attributes
    )
    SELECT
        g.tenant, g.trace_id, g.span_id, g.parent_id, g.started_at, g.ended_at, g.name, g.kind, g.failed, g.run, g.kept,
        g.facts, g.attributes
    FROM given g
    ON CONFLICT DO NOTHING
    RETURNING tenant, trace_id, span_id
)
SELECT g.tenant, g.trace_id, g.span_id FROM given g
EXCEPT ALL
SELECT n.tenant, n.trace_id, n.span_id FROM new n
