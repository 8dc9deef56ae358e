-- Adds to the rollups by day and month what a partition has booked since they were last added to.
-- $1 partition, $2 versions at most
-- Rows: versions passed; null where there was nothing to do. Index: entry_booked
SELECT ledger_fold($1::smallint, $2::bigint) AS passed
