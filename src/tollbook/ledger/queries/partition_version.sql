-- Where a partition's ledger stands, and the oldest transaction whose changes are still known.
-- $1 partition
-- Rows: version, ledger_epoch, oldest. Index: partition_pkey, ledger_batch_pkey
SELECT
    p.version,
    l.ledger_epoch,
    coalesce((SELECT min(b.version) FROM ledger_batch b WHERE b.partition = $1), p.version + 1) AS oldest
FROM partition p CROSS JOIN ledger l
WHERE p.partition = $1
