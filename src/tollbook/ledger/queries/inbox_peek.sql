-- The oldest inbox records of a partition.
-- $1 partition, $2 records at most
-- Rows: inbox_id, nonce, events, row_bytes. Index: inbox_partition
SELECT inbox_id, nonce, events, row_bytes FROM inbox WHERE partition = $1 ORDER BY inbox_id LIMIT $2
