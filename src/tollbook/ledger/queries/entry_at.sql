-- The entry of an id at its instant.
-- $1 ts, $2 entry id, $3 tenant or null for any
-- Rows: the columns of ports.reading.EntryRow in its order, one or none. Index: entry_ts
SELECT
    e.entry_id, e.ts, e.tenant, e.agent, e.model, e.provider, e.source, e.run, e.event_id, e.call_id, e.service_tier,
    e.tags, e.input, e.output, e.cache_read, e.cache_write_5m, e.cache_write_1h, e.reasoning, e.cost_nanos,
    e.reported_nanos, e.price_id, e.flags, e.day, e.corrects,
    e.units, coalesce(e.standing, 0) AS standing, e.calls, e.context, e.hold, e.nth
FROM entry e
WHERE e.ts = $1 AND e.entry_id = $2 AND ($3::text IS NULL OR e.tenant = $3)
