-- Every total changed in versions after $2, as of now, with the version it is true for.
-- $1 partition, $2 version Valkey has been set to
-- Rows: tenant_id, day, cost_nanos, window_start, window_end. Index: ledger_batch_pkey, daily_spend_pkey
SELECT d.tenant_id, d.day, d.cost_nanos, d.window_start, d.window_end
FROM (
    SELECT DISTINCT changed.tenant, changed.day
    FROM ledger_batch b
    CROSS JOIN LATERAL unnest(b.tenants, b.days) AS changed (tenant, day)
    WHERE b.partition = $1 AND b.version > $2
) AS c
JOIN daily_spend d ON d.tenant_id = c.tenant AND d.day = c.day
ORDER BY d.tenant_id, d.day
