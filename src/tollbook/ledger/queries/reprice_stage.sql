-- Stages a reversal and a replacement of each entry that still stands, at another price and else the same.
-- $1 times and $2 ids of the entries, $3 costs, $4 price ids (0: none) and $5 flags, all pairwise
-- Rows: none; the status tells how many were staged, two for each. Lock order: none, the partition is locked.
-- Index: entry_ts, entry_corrects, daily_spend_pkey
WITH asked AS MATERIALIZED (
    SELECT a.ts, a.entry_id, a.cost_nanos, a.price_id, a.flags
    FROM unnest($1::timestamptz[], $2::uuid[], $3::bigint[], $4::bigint[], $5::smallint[])
        AS a (ts, entry_id, cost_nanos, price_id, flags)
),
standing AS MATERIALIZED (
    SELECT
        coalesce(e.corrects, e.entry_id) AS call, coalesce(e.nth, 0) + 1 AS nth, e.ts, e.day, d.window_start, d.window_end, e.cost_nanos,
        coalesce(e.price_id, 0) AS price_id, coalesce(e.reported_nanos, -1) AS reported_nanos, e.input, e.output,
        e.cache_read, e.cache_write_5m, e.cache_write_1h, e.reasoning, e.flags, coalesce(e.standing, 0) AS standing,
        e.tenant, e.agent, regexp_replace(e.agent, '#[^/]*', '', 'g') AS roles, e.model, e.provider, e.source, e.run,
        e.service_tier, e.event_id, e.call_id, e.tags, e.hold, e.units, e.context, e.learned, a.cost_nanos AS new_nanos,
        a.price_id AS new_price_id, a.flags AS new_flags
    FROM asked a
    JOIN entry e ON e.ts = a.ts AND e.entry_id = a.entry_id
    JOIN daily_spend d ON d.tenant_id = e.tenant AND d.day = e.day
    WHERE e.calls = 1 AND NOT EXISTS (
        SELECT FROM entry r
        WHERE r.ts = e.ts AND r.corrects = coalesce(e.corrects, e.entry_id) AND r.nth = coalesce(e.nth, 0) + 1
            AND r.calls = -1)
)
INSERT INTO staging (
    entry_id, generation, fingerprint, ts, day, window_start, window_end, cost_nanos, price_id, reported_nanos, input,
    output, cache_read, cache_write_5m, cache_write_1h, reasoning, flags, standing, tenant, agent, roles, model, provider,
    source, run, service_tier, event_id, call_id, tags, hold, units, context, calls, corrects, nth, learned
)
SELECT
    ledger_correction_id(s.call, s.nth, 'reversal'), 0, 0, s.ts, s.day, s.window_start, s.window_end, -s.cost_nanos,
    s.price_id, -1, -s.input, -s.output, -s.cache_read, -s.cache_write_5m, -s.cache_write_1h, -s.reasoning, s.flags,
    s.standing, s.tenant, s.agent, s.roles, s.model, s.provider, s.source, s.run, s.service_tier, s.event_id, s.call_id,
    s.tags, s.hold, ledger_negated(s.units), s.context, -1, s.call, s.nth, NULL
FROM standing s
UNION ALL
SELECT
    ledger_correction_id(s.call, s.nth, 'replacement'), 0, 0, s.ts, s.day, s.window_start, s.window_end, s.new_nanos,
    s.new_price_id, s.reported_nanos, s.input, s.output, s.cache_read, s.cache_write_5m, s.cache_write_1h, s.reasoning,
    s.new_flags, s.standing, s.tenant, s.agent, s.roles, s.model, s.provider, s.source, s.run, s.service_tier, s.event_id,
    s.call_id, s.tags, s.hold, s.units, s.context, 1, s.call, s.nth, s.learned
FROM standing s
