-- The entries of one call: the original and its corrections, in the order in which they were made.
-- $1 identity of the call, $2 tenant or null for any, $3 oldest live generation, $4 the week of now
-- Rows: the columns of ports.reading.EntryRow in its order. Index: entry_corrects, identity_<week>_pkey, entry_ts
WITH moment AS (
    SELECT i.ts FROM identity i WHERE i.entry_id = $1 AND i.generation BETWEEN $3::integer AND $4::integer + 1
    UNION
    SELECT r.ts FROM entry r WHERE r.corrects = $1
)
SELECT
    e.entry_id, e.ts, e.tenant, e.agent, e.model, e.provider, e.source, e.run, e.event_id, e.call_id, e.service_tier,
    e.tags, e.input, e.output, e.cache_read, e.cache_write_5m, e.cache_write_1h, e.reasoning, e.cost_nanos,
    e.reported_nanos, e.price_id, e.flags, e.day, e.corrects, e.units, coalesce(e.standing, 0) AS standing, e.calls, e.context,
    e.hold, e.nth
FROM entry e
WHERE e.entry_id = $1 AND e.ts IN (SELECT m.ts FROM moment m) AND ($2::text IS NULL OR e.tenant = $2)
UNION ALL
SELECT
    e.entry_id, e.ts, e.tenant, e.agent, e.model, e.provider, e.source, e.run, e.event_id, e.call_id, e.service_tier,
    e.tags, e.input, e.output, e.cache_read, e.cache_write_5m, e.cache_write_1h, e.reasoning, e.cost_nanos,
    e.reported_nanos, e.price_id, e.flags, e.day, e.corrects, e.units, coalesce(e.standing, 0), e.calls, e.context,
    e.hold, e.nth
FROM (
    SELECT
        r.entry_id, r.ts, r.tenant, r.agent, r.model, r.provider, r.source, r.run, r.event_id, r.call_id, r.service_tier,
        r.tags, r.input, r.output, r.cache_read, r.cache_write_5m, r.cache_write_1h, r.reasoning, r.cost_nanos,
        r.reported_nanos, r.price_id, r.flags, r.day, r.corrects, r.units, r.standing, r.calls, r.context,
        r.hold, r.nth
    FROM entry r
    WHERE r.corrects = $1 AND ($2::text IS NULL OR r.tenant = $2)
    ORDER BY r.nth, r.calls
) AS e
