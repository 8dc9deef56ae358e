-- Raises a partition's version for meters counted anew, so that catch-up brings them to the counters.
-- $1 partition, locked, $2 tenants and $3 names of the meters
-- Rows: version
WITH raised AS (
    UPDATE partition SET version = version + 1, backfilled = version + 1 WHERE partition = $1::smallint RETURNING partition, version
)
INSERT INTO ledger_batch (partition, version, nonces, tenants, days, events, duplicates, meter_tenants, meters)
SELECT partition, version, '{}', '{}', '{}', 0, 0, $2::text[], $3::text[] FROM raised
RETURNING version
