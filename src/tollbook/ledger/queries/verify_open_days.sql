-- The days of a partition whose window is open or yet to come.
-- $1 partition, $2 instant
-- Rows: tenant_id, day. Index: daily_spend_open
SELECT d.tenant_id, d.day FROM daily_spend d WHERE d.partition = $1 AND d.window_end > $2
