-- Which of some entries are in the ledger, however old: partitions that do not hold an instant are left out one by one.
-- pairwise: $1 instants, $2 entry ids
-- Rows: entry_id. Index: entry_ts, one probe a pair
SELECT k.entry_id
FROM unnest($1::timestamptz[], $2::uuid[]) AS k (ts, entry_id)
CROSS JOIN LATERAL (
    SELECT e.entry_id FROM entry e WHERE e.ts = k.ts AND e.entry_id = k.entry_id LIMIT 1
) AS found
