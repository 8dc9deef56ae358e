-- Looks for identities without an entry: such an event would never be booked.
-- $1 instant from which on their entries can stand, $2 generation from which on identities are read,
-- $3 samples at most
-- Rows: left_sum, right_sum (of each side), differing (how many keys), samples (text, some of them)
-- Index: none, every entry from $1 on and every identity from $2 on is read
WITH compared AS (
    SELECT i.entry_id, i.generation, e.entry_id IS NULL AS differs
    FROM identity i
    LEFT JOIN (SELECT DISTINCT k.entry_id FROM entry k WHERE k.ts >= $1) AS e ON e.entry_id = i.entry_id
    WHERE i.generation >= $2
)
SELECT
    count(*) AS left_sum,
    count(*) FILTER (WHERE NOT c.differs) AS right_sum,
    count(*) FILTER (WHERE c.differs) AS differing,
    (array_agg(format('%s of generation %s has no entry', c.entry_id, c.generation)) FILTER (WHERE c.differs))[1:$3]
        AS samples
FROM compared c
