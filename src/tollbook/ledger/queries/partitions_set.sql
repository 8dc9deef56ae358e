-- Sets how many partitions the ledger has, as long as nothing has been booked.
-- $1 partitions
UPDATE ledger SET partitions = $1
WHERE NOT EXISTS (SELECT FROM partition WHERE version > 0)
