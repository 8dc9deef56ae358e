-- Looks for entry ids that stand more than once.
-- $1 instant from which on entries are read, $2 samples at most
-- Rows: left_sum, right_sum (of each side), differing (how many keys), samples (text, some of them)
-- Index: none, every entry from $1 on is read
WITH copies AS (
    SELECT e.entry_id, count(*) AS times FROM entry e WHERE e.ts >= $1 GROUP BY e.entry_id
)
SELECT
    coalesce(sum(c.times), 0) AS left_sum,
    count(*) AS right_sum,
    count(*) FILTER (WHERE c.times > 1) AS differing,
    (array_agg(format('%s stands %s times', c.entry_id, c.times)) FILTER (WHERE c.times > 1))[1:$2] AS samples
FROM copies c
