-- The same of one tenant.
-- $1 tenant, $2 first day of those asked for
-- Rows: tenant_id, day, calls, cost_nanos, unpriced_nanos. Index: daily_spend_pkey
SELECT d.tenant_id, d.day, d.calls, d.cost_nanos, d.unpriced_nanos
FROM daily_spend d
WHERE d.tenant_id = $1 AND d.day >= $2
