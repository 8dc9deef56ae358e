-- Looks for entries that refer to a rate card the ledger does not hold.
-- $1 instant from which on entries are read, $2 samples at most
-- Rows: left_sum, right_sum (of each side), differing (how many keys), samples (text, some of them)
-- Index: none for entries; price_pkey
WITH used AS (
    SELECT e.price_id, count(*) AS entries
    FROM entry e
    WHERE e.ts >= $1 AND e.price_id IS NOT NULL
    GROUP BY e.price_id
)
SELECT
    coalesce(sum(u.entries), 0) AS left_sum,
    coalesce(sum(u.entries) FILTER (WHERE p.price_id IS NOT NULL), 0) AS right_sum,
    count(*) FILTER (WHERE p.price_id IS NULL) AS differing,
    (array_agg(format('price %s of %s entries is unknown', u.price_id, u.entries))
        FILTER (WHERE p.price_id IS NULL))[1:$2] AS samples
FROM used u
LEFT JOIN price p ON p.price_id = u.price_id
