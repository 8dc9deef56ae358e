-- The next version of the configuration; locks the ledger row, so changes are ordered.
-- Rows: config_version
UPDATE ledger SET config_version = config_version + 1 RETURNING config_version
