-- How many calls were booked since an instant, everyone's.
-- $1 instant
-- Rows: calls. Index: ledger_batch_pkey (its newest end, partition by partition)
SELECT coalesce(sum(b.events), 0)::bigint AS calls
FROM partition p
CROSS JOIN LATERAL (
    SELECT n.events, n.committed_at
    FROM ledger_batch n
    WHERE n.partition = p.partition AND n.version > p.version - 6000
) AS b
WHERE b.committed_at >= $1
