-- The totals that changed in versions after $2, as of now.
-- $1 partition, $2 version looked at
-- Rows: tenant, meter, total, unpriced_nanos. Index: ledger_batch_pkey, daily_spend_pkey, meter_total_pkey
SELECT d.tenant_id AS tenant, 'day:' || to_char(d.day, 'YYYY-MM-DD') AS meter, d.cost_nanos AS total, d.unpriced_nanos
FROM (
    SELECT DISTINCT changed.tenant, changed.day
    FROM ledger_batch b
    CROSS JOIN LATERAL unnest(b.tenants, b.days) AS changed (tenant, day)
    WHERE b.partition = $1 AND b.version > $2
) AS c
JOIN daily_spend d ON d.tenant_id = c.tenant AND d.day = c.day
UNION ALL
SELECT m.tenant, m.meter, m.total, 0
FROM (
    SELECT DISTINCT changed.tenant, changed.meter
    FROM ledger_batch b
    CROSS JOIN LATERAL unnest(b.meter_tenants, b.meters) AS changed (tenant, meter)
    WHERE b.partition = $1 AND b.version > $2
) AS c
JOIN meter_total m ON m.tenant = c.tenant AND m.meter = c.meter
