-- Every hold named in versions after $2, as the events write them.
-- $1 partition, $2 version Valkey has been set to
-- Rows: tenant, hold. Index: ledger_batch_pkey
SELECT DISTINCT named.tenant, named.hold
FROM ledger_batch b
CROSS JOIN LATERAL unnest(b.hold_tenants, b.holds) AS named (tenant, hold)
WHERE b.partition = $1 AND b.version > $2
ORDER BY named.tenant, named.hold
