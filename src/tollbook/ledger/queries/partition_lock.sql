-- The partition's version, locked: this lock makes version order the commit order.
-- For this transaction joins go by index: Postgres knows nothing of how many rows are staged, and would rather read
-- every identity of the last weeks; and a plan made while a week is empty would scan it as it fills.
-- $1 partition
-- Rows: version, ledger_epoch, meter_scopes (scopes that budgets name; empty: none), and the three settings. Lock order: partition row first, before anything else of the
-- transaction.
-- Index: partition_pkey
SELECT
    p.version, l.ledger_epoch, p.meter_scopes,
    set_config('enable_hashjoin', 'off', true) AS hash, set_config('enable_mergejoin', 'off', true) AS merge,
    set_config('enable_seqscan', 'off', true) AS seqscan
FROM partition p CROSS JOIN ledger l
WHERE p.partition = $1
FOR UPDATE OF p
