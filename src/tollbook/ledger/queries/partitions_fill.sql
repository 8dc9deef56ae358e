-- Makes the partition rows agree with the number of partitions.
WITH gone AS (
    DELETE FROM partition p USING ledger l WHERE p.partition >= l.partitions AND p.version = 0
)
INSERT INTO partition (partition)
SELECT generate_series(0, l.partitions - 1) FROM ledger l
ON CONFLICT DO NOTHING
