-- Entries that stand, which is those without a reversal at their time, in the order of their time, behind one of them.
-- $1 partition, $2 first instant, $3 instant behind the last, $4 ts and $5 id of the last entry seen, $6 tenant or null,
-- $7 model or null, $8 entries at most
-- Rows: ts, entry_id, what the entry was priced by, day, cost_nanos, price_id, flags, reported_nanos, units, context
-- Index: entry_ts, entry_corrects
SELECT
    e.ts, e.entry_id, e.tenant, e.agent, e.model, e.provider, e.service_tier, e.run, e.input, e.output, e.cache_read,
    e.cache_write_5m, e.cache_write_1h, e.reasoning, e.day, e.cost_nanos, e.price_id, e.flags, e.reported_nanos, e.units,
    e.context
FROM entry e
WHERE e.partition = $1 AND e.ts >= $2 AND e.ts < $3 AND (e.ts, e.entry_id) > ($4::timestamptz, $5::uuid) AND e.calls = 1
    AND ($6::text IS NULL OR e.tenant = $6) AND ($7::text IS NULL OR e.model = $7)
    AND NOT EXISTS (
        SELECT FROM entry r
        WHERE r.ts = e.ts AND r.corrects = coalesce(e.corrects, e.entry_id) AND r.nth = coalesce(e.nth, 0) + 1
            AND r.calls = -1)
ORDER BY e.ts, e.entry_id
LIMIT $8
