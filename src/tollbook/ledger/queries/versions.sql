-- The version of every partition.
-- Rows: partition, version
SELECT partition, version FROM partition ORDER BY partition
