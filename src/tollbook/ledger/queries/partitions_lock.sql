-- Locks partitions whose meters a change of budgets counts anew: no transaction books there meanwhile, and what it will
-- book then finds the changed budgets. For this transaction each statement is planned for its own arguments.
-- $1 partitions
-- Rows: partition, version, and the setting. Lock order: by partition, behind the ledger's row. Index: partition_pkey
SELECT p.partition, p.version, set_config('plan_cache_mode', 'force_custom_plan', true) AS planned
FROM partition p
WHERE p.partition = ANY($1::smallint[])
ORDER BY p.partition
FOR UPDATE
