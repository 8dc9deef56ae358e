-- Every meter changed in versions after $2, as of now.
-- $1 partition, $2 version Valkey has been set to
-- Rows: tenant, meter, total, until_ms. Index: ledger_batch_pkey, meter_total_pkey
SELECT m.tenant, m.meter, m.total, m.until_ms
FROM (
    SELECT DISTINCT changed.tenant, changed.meter
    FROM ledger_batch b
    CROSS JOIN LATERAL unnest(b.meter_tenants, b.meters) AS changed (tenant, meter)
    WHERE b.partition = $1 AND b.version > $2
) AS c
JOIN meter_total m ON m.tenant = c.tenant AND m.meter = c.meter
ORDER BY m.tenant, m.meter
