-- The version of each partition that its counters must have reached before its budgets are trusted.
-- Rows: partition, backfilled
SELECT partition, backfilled FROM partition ORDER BY partition
