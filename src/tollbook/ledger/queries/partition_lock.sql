-- The partition's version, locked: this lock makes version order the commit order.
-- For this transaction joins go by index: Postgres knows nothing of how many rows are staged, and would rather read
-- every identity of the last weeks.
-- $1 partition
-- Rows: version, ledger_epoch, and the two settings. Lock order: partition row first, before anything else of the
-- transaction.
-- Index: partition_pkey
SELECT
    p.version, l.ledger_epoch,
    set_config('enable_hashjoin', 'off', true) AS hash, set_config('enable_mergejoin', 'off', true) AS merge
FROM partition p CROSS JOIN ledger l
WHERE p.partition = $1
FOR UPDATE OF p
