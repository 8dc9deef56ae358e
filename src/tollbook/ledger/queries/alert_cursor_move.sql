-- Notes how far a partition has been looked at.
-- $1 partition, $2 ledger epoch, $3 ledger version, $4 configuration version
UPDATE alert_cursor SET ledger_epoch = $2, version = $3, config_version = $4 WHERE partition = $1
