-- Raises the version and writes what this transaction did.
-- $1 partition, $2 version, $3 nonces, $4 tenants and $5 days of the changed totals, $6 events, $7 duplicates,
-- $8 tenants and $9 names of the changed meters, $10 tenants and $11 ids of the holds named
WITH raised AS (
    UPDATE partition SET version = $2::bigint WHERE partition = $1::smallint AND version = $2::bigint - 1
    RETURNING partition
)
INSERT INTO ledger_batch (
    partition, version, nonces, tenants, days, events, duplicates, meter_tenants, meters, hold_tenants, holds
)
SELECT
    partition, $2::bigint, $3::uuid[], $4::text[], $5::date[], $6::integer, $7::integer, $8::text[], $9::text[],
    $10::text[], $11::text[]
FROM raised
