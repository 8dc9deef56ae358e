-- Adds the batch to each meter that a budget names, and answers the new totals: what settle sets in Valkey. The
-- tenant's day in dollars is not among them: that one is daily_spend. Calls alike in
-- what budgets ask for are added up before budgets are looked for.
-- $1 partition, $2 scopes that budgets name (`partition.meter_scopes`), $3 instant of this transaction
-- Rows: tenant, meter, total, until_ms. Lock order: by key.
-- Index: budget_meter, a probe a scope; meter_total_pkey; the update is HOT, no indexed column changes
WITH call AS (
    SELECT
        s.tenant, CASE WHEN 'instance' = ANY($2::text[]) THEN s.agent ELSE '' END AS agent,
        CASE WHEN 'agent' = ANY($2::text[]) THEN s.roles ELSE '' END AS roles,
        CASE WHEN 'model' = ANY($2::text[]) THEN s.model ELSE '' END AS model,
        CASE WHEN $2::text[] && '{run,instance}' THEN s.run END AS run,
        CASE WHEN 'tag' = ANY($2::text[]) THEN s.tags END AS tags, s.day,
        s.window_start, s.window_end, date_trunc('minute', ledger_counted_at(s.ts, s.hold), 'UTC') AS counted_at,
        sum(s.cost_nanos) AS nanos, sum(s.input::bigint + s.output) AS tokens, sum(s.calls) AS calls
    FROM staging s
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
)
INSERT INTO meter_total AS m (tenant, meter, total, until_ms, partition, touched_at)
SELECT
    c.tenant,
    concat_ws('|', n.unit, ledger_window(n.window_kind, c.counted_at, c.day, c.window_start, c.run), n.scope, n.value) AS name,
    sum(CASE n.unit WHEN 'usd' THEN c.nanos WHEN 'tokens' THEN c.tokens ELSE c.calls END)::bigint,
    max(ledger_window_until(n.window_kind, c.counted_at, c.day, c.window_start, c.window_end)), $1::smallint, $3
FROM call c
CROSS JOIN LATERAL (
    SELECT DISTINCT s.scope, s.value, b.window_kind, b.unit
    FROM ledger_scopes(c.agent, c.roles, c.run, c.model, c.tags) s
    JOIN budget b ON b.tenant IN (c.tenant, '') AND b.scope = s.scope AND b.match IN (s.value, s.each)
    WHERE s.scope = ANY($2::text[]) AND b.id <> 'daily' AND (b.window_kind <> 'run' OR c.run IS NOT NULL)
) AS n
GROUP BY c.tenant, name
ORDER BY c.tenant, name
ON CONFLICT (tenant, meter) DO UPDATE SET total = m.total + excluded.total, touched_at = excluded.touched_at
RETURNING m.tenant, m.meter, m.total, m.until_ms
