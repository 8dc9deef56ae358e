-- One tenant's entries, newest first, behind a place in that order.
-- $1 ts and $2 entry id of the last entry already shown, $3 entries at most, $4 tenant
-- Rows: the columns of ports.reading.EntryRow in its order. Index: entry_tenant_ts
SELECT
    e.entry_id, e.ts, e.tenant, e.agent, e.model, e.provider, e.source, e.run, e.event_id, e.call_id, e.service_tier,
    e.tags, e.input, e.output, e.cache_read, e.cache_write_5m, e.cache_write_1h, e.reasoning, e.cost_nanos,
    e.reported_nanos, e.price_id, e.flags, e.day, e.corrects,
    e.units, coalesce(e.standing, 0) AS standing, e.calls, e.context
FROM entry e
WHERE e.tenant = $4 AND (e.ts, e.entry_id) < ($1::timestamptz, $2::uuid)
ORDER BY e.ts DESC, e.entry_id DESC
LIMIT $3
