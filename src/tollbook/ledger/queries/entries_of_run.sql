-- Entries of a run that fit, newest first, behind a place in that order.
-- $1 ts and $2 entry id of the place, $3 entries at most, $4 first instant, $5 agent or its roles with
-- what is below, $6 model, $7 provider, $8 run, $9 source, $10 least nano-dollars (each null: any), $11 flags that all are
-- set, $12 whether only what corrects; $13 tenant or null for all, $14 local days of the run
-- Rows: the columns of ports.reading.EntryRow in its order. Index: entry_run
WITH called AS MATERIALIZED (
    SELECT
        w.entry_id, w.ts, w.tenant, w.agent, w.model, w.provider, w.source, w.run, w.event_id, w.call_id, w.service_tier,
        w.tags, w.input, w.output, w.cache_read, w.cache_write_5m, w.cache_write_1h, w.reasoning, w.cost_nanos,
        w.reported_nanos, w.price_id, w.flags, w.day, w.corrects,
        w.units, w.standing, w.calls, w.context, w.hold, w.nth
    FROM entry w
    WHERE w.day = ANY($14::date[]) AND w.run = $8 AND (w.ts, w.entry_id) < ($1::timestamptz, $2::uuid)
        AND w.ts >= $4::timestamptz AND ($13::text IS NULL OR w.tenant = $13)
)
SELECT
    e.entry_id, e.ts, e.tenant, e.agent, e.model, e.provider, e.source, e.run, e.event_id, e.call_id, e.service_tier,
    e.tags, e.input, e.output, e.cache_read, e.cache_write_5m, e.cache_write_1h, e.reasoning, e.cost_nanos,
    e.reported_nanos, e.price_id, e.flags, e.day, e.corrects,
    e.units, coalesce(e.standing, 0) AS standing, e.calls, e.context, e.hold, e.nth
FROM called e
WHERE ($5::text IS NULL OR starts_with(e.agent || '/', $5 || '/')
        OR starts_with(regexp_replace(e.agent, '#[^/]*', '', 'g') || '/', $5 || '/'))
    AND ($6::text IS NULL OR e.model = $6) AND ($7::text IS NULL OR e.provider = $7)
    AND ($9::text IS NULL OR e.source = $9)
    AND ($10::bigint IS NULL OR e.cost_nanos >= $10) AND ($11::integer = 0 OR e.flags & $11 = $11)
    AND (NOT $12::boolean OR e.corrects IS NOT NULL)
ORDER BY e.ts DESC, e.entry_id DESC
LIMIT $3
