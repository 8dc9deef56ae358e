-- How many partitions the ledger has.
-- Rows: partitions
SELECT partitions::integer FROM ledger
