-- What moves whenever something is booked or configured.
-- Rows: versions (of all partitions, added up), config_version. Index: none, a row a partition
SELECT (SELECT sum(p.version) FROM partition p)::bigint AS versions, l.config_version FROM ledger l
