-- Entries of some transactions of a partition that fit, in the order of their commits.
-- $1 partition, $2 version and $3 entry id of the last entry seen, $4 last version to look at, $5 entries at most, $6 agent or
-- its roles with what is below, $7 model, $8 provider, $9 run, $10 source, $11 least nano-dollars (each null: any), $12 flags
-- that all are set, $13 whether only what corrects, $14 tenant or null for all
-- Rows: the columns of ports.reading.EntryRow in its order, then version. Index: entry_booked
SELECT
    e.entry_id, e.ts, e.tenant, e.agent, e.model, e.provider, e.source, e.run, e.event_id, e.call_id, e.service_tier,
    e.tags, e.input, e.output, e.cache_read, e.cache_write_5m, e.cache_write_1h, e.reasoning, e.cost_nanos,
    e.reported_nanos, e.price_id, e.flags, e.day, e.corrects,
    e.units, coalesce(e.standing, 0) AS standing, e.calls, e.context, e.hold, e.nth, e.version
FROM entry e
WHERE ($6::text IS NULL OR starts_with(e.agent || '/', $6 || '/')
        OR starts_with(regexp_replace(e.agent, '#[^/]*', '', 'g') || '/', $6 || '/'))
    AND ($7::text IS NULL OR e.model = $7) AND ($8::text IS NULL OR e.provider = $8)
    AND ($9::text IS NULL OR e.run = $9) AND ($10::text IS NULL OR e.source = $10)
    AND ($11::bigint IS NULL OR e.cost_nanos >= $11) AND ($12::integer = 0 OR e.flags & $12 = $12)
    AND (NOT $13::boolean OR e.corrects IS NOT NULL)
    AND ($14::text IS NULL OR e.tenant = $14)
    AND e.partition = $1 AND e.version BETWEEN $2::bigint AND $4::bigint AND (e.version, e.entry_id) > ($2::bigint, $3::uuid)
ORDER BY e.version, e.entry_id
LIMIT $5
