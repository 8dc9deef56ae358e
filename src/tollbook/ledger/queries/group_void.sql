-- Stages the reversal of aggregates and metrics that were booked before their group was seen nearer.
-- Corrections are looked for within 140 days of the first entry, as in observation_judge.
-- $1 group keys, $2 oldest live generation, $3 the week of this transaction
-- Rows: none; the status tells how many. Lock order: by key.
-- Index: observed_group_pkey, identity_<week>_pkey, entry_corrects, entry_ts, daily_spend_pkey
WITH bettered AS (
    DELETE FROM observed_group g
    WHERE g.group_key = ANY($1::uuid[])
        AND g.level < (SELECT max(b.level) FROM observed_group b WHERE b.group_key = g.group_key)
    RETURNING g.entry_id, g.level
),
-- An identity may stand in two groups.
named AS MATERIALIZED (
    SELECT b.entry_id AS call, max(b.level) AS level FROM bettered b GROUP BY b.entry_id
),
place AS MATERIALIZED (
    SELECT n.call, n.level, coalesce(l.nth, 0) + 1 AS nth, coalesce(l.ts, i.ts) AS ts, coalesce(l.entry_id, n.call) AS entry_id
    FROM named n
    CROSS JOIN LATERAL (
        SELECT i.ts FROM identity i
        WHERE i.entry_id = n.call AND i.generation BETWEEN $2::integer AND $3::integer + 1
        LIMIT 1
    ) AS i
    LEFT JOIN LATERAL (
        SELECT r.entry_id, r.ts, r.nth, r.calls FROM entry r
        WHERE r.corrects = n.call AND r.ts BETWEEN i.ts - interval '140 days' AND i.ts + interval '140 days'
        ORDER BY r.nth DESC, r.calls DESC
        LIMIT 1
    ) AS l ON true
    WHERE coalesce(l.calls, 1) = 1
)
INSERT INTO staging (
    entry_id, generation, fingerprint, ts, day, window_start, window_end, cost_nanos, price_id, reported_nanos, input,
    output, cache_read, cache_write_5m, cache_write_1h, reasoning, flags, standing, tenant, agent, roles, model, provider,
    source, run, service_tier, event_id, call_id, tags, hold, units, context, calls, corrects, nth
)
SELECT
    ledger_correction_id(p.call, p.nth, 'reversal'), 0, 0, e.ts, e.day, d.window_start, d.window_end, -e.cost_nanos,
    coalesce(e.price_id, 0), -1, -e.input, -e.output, -e.cache_read, -e.cache_write_5m, -e.cache_write_1h, -e.reasoning,
    e.flags, e.standing, e.tenant, e.agent, regexp_replace(e.agent, '#[^/]*', '', 'g'), e.model, e.provider, e.source,
    e.run, e.service_tier, e.event_id, e.call_id, e.tags, e.hold, ledger_negated(e.units), e.context, -1, p.call, p.nth
FROM place p
JOIN entry e ON e.ts = p.ts AND e.entry_id = p.entry_id
JOIN daily_spend d ON d.tenant_id = e.tenant AND d.day = e.day
WHERE e.standing >> 24 <= p.level
