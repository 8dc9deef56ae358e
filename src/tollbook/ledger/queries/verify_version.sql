-- Compares each partition's version with its newest transaction, and looks for gaps in what is kept of them.
-- $1 samples at most
-- Rows: left_sum, right_sum (of each side), differing (how many keys), samples (text, some of them)
-- Index: ledger_batch_pkey
WITH batches AS (
    SELECT b.partition, min(b.version) AS oldest, max(b.version) AS newest, count(*) AS kept
    FROM ledger_batch b
    GROUP BY b.partition
),
compared AS (
    SELECT
        p.partition, p.version, coalesce(b.newest, 0) AS newest,
        p.version <> coalesce(b.newest, 0) OR b.kept <> b.newest - b.oldest + 1 AS differs
    FROM partition p
    LEFT JOIN batches b ON b.partition = p.partition
)
SELECT
    coalesce(sum(c.version), 0) AS left_sum,
    coalesce(sum(c.newest), 0) AS right_sum,
    count(*) FILTER (WHERE c.differs) AS differing,
    (array_agg(format('partition %s is at version %s, its newest transaction is %s', c.partition, c.version, c.newest)
        ORDER BY c.partition) FILTER (WHERE c.differs))[1:$1] AS samples
FROM compared c
