-- Gives the sums of this transaction room to stay in memory.
-- $1 amount as Postgres writes it, such as 256MB
-- Rows: the amount
SELECT set_config('work_mem', $1, true)
