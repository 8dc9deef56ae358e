-- The totals a rebuild restores: windows of a partition that close after $2, in pages by key.
-- $1 partition, $2 instant, $3 and $4 the last key of the page before, $5 rows at most
-- Rows: tenant_id, day, cost_nanos, window_start, window_end. Index: daily_spend_open or daily_spend_pkey
SELECT d.tenant_id, d.day, d.cost_nanos, d.window_start, d.window_end
FROM daily_spend d
WHERE d.partition = $1 AND d.window_end > $2 AND (d.tenant_id, d.day) > ($3::text, $4::date)
ORDER BY d.tenant_id, d.day
LIMIT $5
