-- The settled totals of given days.
-- $1 tenants, $2 days, pairwise
-- Rows: tenant_id, day, cost_nanos, window_start, window_end. Index: daily_spend_pkey
SELECT d.tenant_id, d.day, d.cost_nanos, d.window_start, d.window_end
FROM unnest($1::text[], $2::date[]) AS c (tenant, day)
JOIN daily_spend d ON d.tenant_id = c.tenant AND d.day = c.day
ORDER BY d.tenant_id, d.day
