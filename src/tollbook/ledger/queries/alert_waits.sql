-- Whether anything changed that a partition's raiser has not looked at, or a throttle's time has come.
-- $1 partition, $2 now
-- Rows: waits. Index: partition_pkey, alert_cursor_pkey, alert_throttle_engaged
SELECT
    c.version IS DISTINCT FROM p.version
    OR c.ledger_epoch IS DISTINCT FROM l.ledger_epoch
    OR c.config_version IS DISTINCT FROM l.config_version
    OR EXISTS (SELECT FROM alert_throttle t WHERE t.partition = $1 AND t.engaged AND t.ends_at <= $2) AS waits
FROM partition p CROSS JOIN ledger l
LEFT JOIN alert_cursor c ON c.partition = p.partition
WHERE p.partition = $1
