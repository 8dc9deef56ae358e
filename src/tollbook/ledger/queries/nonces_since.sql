-- Records committed after a version: how `ack=ledger` learns of its own.
-- $1 partitions, $2 versions already seen, pairwise
-- Rows: partition, version, nonces. Index: ledger_batch_pkey
SELECT b.partition, b.version, b.nonces
FROM unnest($1::smallint[], $2::bigint[]) AS seen (partition, version)
JOIN ledger_batch b ON b.partition = seen.partition AND b.version > seen.version
ORDER BY b.partition, b.version
