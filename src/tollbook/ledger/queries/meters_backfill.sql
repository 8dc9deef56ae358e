-- Counts a budget's meters from what is booked, in windows still open: sets them, whatever stood there. Days, weeks and
-- months of tenants, agents and models come from the rollup, runs from their totals, everything else from entries.
-- $1 tenant or '' for all, $2 scope, $3 match, $4 kind of window, $5 unit, $6 what to read: rollup, run or entry,
-- $7 first local day, $8 instant from which entries are read, $9 instant before which untouched runs are left out, $10 now
-- Rows: tenant, meter, partition. Lock order: partitions first, then by key.
-- Index: rollup_hour_pkey, entry_tenant_ts or entry_ts, daily_spend_pkey, run_total_pkey, meter_total_pkey
WITH source AS (
    SELECT
        r.tenant, r.agent, NULL::text AS run, r.model, NULL::jsonb AS tags, r.day, NULL::timestamptz AS ts,
        NULL::text AS hold, r.cost_nanos AS nanos, r.input + r.output AS tokens, r.calls
    FROM rollup_hour r
    WHERE $6::text = 'rollup' AND r.day >= $7::date AND ($1::text = '' OR r.tenant = $1::text)
    UNION ALL
    SELECT
        r.tenant, r.agent, r.run, r.model, NULL, NULL, NULL, NULL, r.cost_nanos, r.input + r.output, r.calls
    FROM run_total r
    WHERE $6::text = 'run' AND r.last_ts >= $9::timestamptz AND ($1::text = '' OR r.tenant = $1::text)
    UNION ALL
    SELECT e.tenant, e.agent, e.run, e.model, e.tags, e.day, e.ts, e.hold, e.cost_nanos, e.input::bigint + e.output, e.calls
    FROM entry e
    WHERE $6::text = 'entry' AND e.ts >= $8::timestamptz AND ($1::text = '' OR e.tenant = $1::text)
        AND ($4::text <> 'run' OR EXISTS (
            SELECT FROM run_total r WHERE r.tenant = e.tenant AND r.run = e.run AND r.last_ts >= $9::timestamptz))
),
-- What the budget does not ask for is left aside, so that calls alike in what it does are one row.
alike AS (
    SELECT
        s.tenant, CASE WHEN $2::text IN ('agent', 'instance') THEN s.agent ELSE '' END AS agent,
        CASE WHEN $2::text IN ('run', 'instance') OR $4::text = 'run' THEN s.run END AS run,
        CASE WHEN $2::text = 'model' THEN s.model ELSE '' END AS model,
        CASE WHEN $2::text = 'tag' THEN s.tags END AS tags, s.day,
        CASE WHEN $4::text IN ('minute', 'hour') THEN date_trunc('minute', ledger_counted_at(s.ts, s.hold), 'UTC') END
            AS counted_at,
        sum(s.nanos) AS nanos, sum(s.tokens) AS tokens, sum(s.calls) AS calls
    FROM source s
    GROUP BY 1, 2, 3, 4, 5, 6, 7
),
counted AS (
    SELECT
        s.tenant,
        concat_ws('|', $5::text, ledger_window($4::text, s.counted_at, s.day, d.window_start, s.run), $2::text, n.value)
            AS meter,
        sum(CASE $5::text WHEN 'usd' THEN s.nanos WHEN 'tokens' THEN s.tokens ELSE s.calls END)::bigint AS total,
        max(ledger_window_until($4::text, s.counted_at, s.day, d.window_start, d.window_end)) AS until_ms
    FROM alike s
    LEFT JOIN daily_spend d ON d.tenant_id = s.tenant AND d.day = s.day
    CROSS JOIN LATERAL (
        SELECT DISTINCT v.value
        FROM ledger_scopes(s.agent, regexp_replace(s.agent, '#[^/]*', '', 'g'), s.run, s.model, s.tags) v
        WHERE v.scope = $2::text AND $3::text IN (v.value, v.each)
    ) AS n
    WHERE $4::text <> 'run' OR s.run IS NOT NULL
    GROUP BY 1, 2
)
INSERT INTO meter_total (tenant, meter, total, until_ms, partition, touched_at)
SELECT
    c.tenant, c.meter, c.total, c.until_ms,
    (SELECT d.partition FROM daily_spend d WHERE d.tenant_id = c.tenant ORDER BY d.day DESC LIMIT 1), $10::timestamptz
FROM counted c
WHERE c.until_ms = 0 OR c.until_ms > extract(epoch FROM $10::timestamptz) * 1000
ORDER BY c.tenant, c.meter
ON CONFLICT (tenant, meter) DO UPDATE SET total = excluded.total, touched_at = excluded.touched_at
RETURNING tenant, meter, partition
