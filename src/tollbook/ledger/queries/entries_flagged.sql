-- Flagged or correcting entries that fit, newest first, among so many behind a place in that order.
-- $1 ts and $2 entry id of the place, $3 entries at most, $4 entries to look at, $5 first instant, $6 agent or its roles with
-- what is below, $7 model, $8 provider, $9 run, $10 source, $11 least nano-dollars (each null: any), $12 flags that all are
-- set, $13 whether only what corrects, $14 tenant or null for all
-- Rows: the columns of ports.reading.EntryRow in its order. Index: entry_flagged
SELECT
    e.entry_id, e.ts, e.tenant, e.agent, e.model, e.provider, e.source, e.run, e.event_id, e.call_id, e.service_tier,
    e.tags, e.input, e.output, e.cache_read, e.cache_write_5m, e.cache_write_1h, e.reasoning, e.cost_nanos,
    e.reported_nanos, e.price_id, e.flags, e.day, e.corrects,
    e.units, coalesce(e.standing, 0) AS standing, e.calls, e.context, e.hold, e.nth
FROM (
    SELECT
        w.entry_id, w.ts, w.tenant, w.agent, w.model, w.provider, w.source, w.run, w.event_id, w.call_id, w.service_tier,
        w.tags, w.input, w.output, w.cache_read, w.cache_write_5m, w.cache_write_1h, w.reasoning, w.cost_nanos,
        w.reported_nanos, w.price_id, w.flags, w.day, w.corrects,
        w.units, w.standing, w.calls, w.context, w.hold, w.nth
    FROM entry w
    WHERE (w.flags <> 0 OR w.corrects IS NOT NULL) AND (w.ts, w.entry_id) < ($1::timestamptz, $2::uuid)
        AND w.ts >= $5::timestamptz
    ORDER BY w.ts DESC, w.entry_id DESC
    LIMIT $4
) AS e
WHERE ($6::text IS NULL OR starts_with(e.agent || '/', $6 || '/')
        OR starts_with(regexp_replace(e.agent, '#[^/]*', '', 'g') || '/', $6 || '/'))
    AND ($7::text IS NULL OR e.model = $7) AND ($8::text IS NULL OR e.provider = $8)
    AND ($9::text IS NULL OR e.run = $9) AND ($10::text IS NULL OR e.source = $10)
    AND ($11::bigint IS NULL OR e.cost_nanos >= $11) AND ($12::integer = 0 OR e.flags & $12 = $12)
    AND (NOT $13::boolean OR e.corrects IS NOT NULL) AND ($14::text IS NULL OR e.tenant = $14)
ORDER BY e.ts DESC, e.entry_id DESC
LIMIT $3
