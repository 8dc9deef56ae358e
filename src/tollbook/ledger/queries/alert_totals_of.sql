-- The totals of some tenants whose windows end after an instant.
-- $1 partition, $2 tenants, $3 instant
-- Rows: tenant, meter, total, unpriced_nanos. Index: daily_spend_pkey
SELECT d.tenant_id AS tenant, 'day:' || to_char(d.day, 'YYYY-MM-DD') AS meter, d.cost_nanos AS total, d.unpriced_nanos
FROM daily_spend d
WHERE d.tenant_id = ANY($2::text[]) AND d.partition = $1 AND d.window_end > $3
