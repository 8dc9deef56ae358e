-- What the whole ledger is: its epoch, how many partitions, and the version of its configuration.
-- Rows: ledger_epoch, partitions, config_version
SELECT ledger_epoch, partitions, config_version FROM ledger
