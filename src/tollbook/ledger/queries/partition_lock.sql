-- The partition's version, locked: this lock makes version order the commit order.
-- $1 partition
-- Rows: version, ledger_epoch. Lock order: partition row first, before anything else of the transaction.
-- Index: partition_pkey
SELECT p.version, l.ledger_epoch
FROM partition p CROSS JOIN ledger l
WHERE p.partition = $1
FOR UPDATE OF p
