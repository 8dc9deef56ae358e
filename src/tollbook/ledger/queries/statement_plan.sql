-- For this transaction lines are summed in a hash table: Postgres expects few entries where it knows the days only from a table
-- it has just made, and would sort a million of them on disk.
-- $1 memory as Postgres writes it, such as 64MB
-- Rows: the two settings
SELECT set_config('work_mem', $1, true) AS memory, set_config('enable_sort', 'off', true) AS sort
