-- Looks for entries whose identity is gone although its generation must still be kept.
-- $1 instant from which on entries are read, $2 oldest generation in which their identities can stand,
-- $3 samples at most
-- Rows: left_sum, right_sum (of each side), differing (how many keys), samples (text, some of them)
-- Index: none, every entry from $1 on and every identity from $2 on is read
WITH compared AS (
    SELECT e.entry_id, e.tenant, e.ts, i.entry_id IS NULL AS differs
    FROM entry e
    LEFT JOIN (SELECT DISTINCT k.entry_id FROM identity k WHERE k.generation >= $2) AS i ON i.entry_id = e.entry_id
    WHERE e.ts >= $1
)
SELECT
    count(*) AS left_sum,
    count(*) FILTER (WHERE NOT c.differs) AS right_sum,
    count(*) FILTER (WHERE c.differs) AS differing,
    (array_agg(format('%s of %s has no identity', c.entry_id, c.tenant)) FILTER (WHERE c.differs))[1:$3] AS samples
FROM compared c
