-- Engaged throttles whose time has come or whose owner's budgets changed, with what is settled on their meters.
-- $1 partition, $2 now, $3 tenants whose budgets changed, $4 whether everyone's did
-- Rows: tenant, meter, engaged, changes, budget_id, limit_amount, ends_at, total.
-- Index: alert_throttle_engaged, daily_spend_pkey, meter_total_pkey
SELECT
    t.tenant, t.meter, t.engaged, t.changes, t.budget_id, t.limit_amount, t.ends_at,
    coalesce(d.cost_nanos, m.total, 0) AS total
FROM alert_throttle t
LEFT JOIN daily_spend d ON d.tenant_id = t.tenant AND t.meter = 'day:' || to_char(d.day, 'YYYY-MM-DD')
LEFT JOIN meter_total m ON m.tenant = t.tenant AND m.meter = t.meter
WHERE t.partition = $1 AND t.engaged AND (t.ends_at <= $2 OR $4::boolean OR t.tenant = ANY($3::text[]))
