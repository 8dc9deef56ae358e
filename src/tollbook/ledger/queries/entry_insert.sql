-- Books the batch. Append-only: nothing ever updates or deletes an entry.
-- $1 partition, $2 version of this transaction
INSERT INTO entry (
    entry_id, ts, cost_nanos, price_id, reported_nanos, version, input, output, cache_read, cache_write_5m,
    cache_write_1h, reasoning, day, partition, flags, tenant, agent, model, provider, source, run, event_id,
    call_id, service_tier, tags, hold, standing, units, context, calls, corrects, nth, learned
)
SELECT
    s.entry_id, s.ts, s.cost_nanos, nullif(s.price_id, 0), nullif(s.reported_nanos, -1), $2::bigint, s.input,
    s.output, s.cache_read, s.cache_write_5m, s.cache_write_1h, s.reasoning, s.day, $1::smallint, s.flags,
    s.tenant, s.agent, s.model, s.provider, s.source, s.run, s.event_id, s.call_id, s.service_tier, s.tags, s.hold,
    nullif(s.standing, 0), s.units, s.context, s.calls, s.corrects, s.nth, s.learned
FROM staging s
