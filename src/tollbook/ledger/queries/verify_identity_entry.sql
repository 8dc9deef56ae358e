-- Looks for identities without an entry: such an event would never be booked.
-- $1 instant from which on their entries can stand, $2 generation from which on identities are read,
-- $3 samples at most
-- Rows: left_sum, right_sum (of each side), differing (how many keys), samples (text, some of them)
-- Index: none, every entry from $1 on and every identity from $2 on is read
WITH missing AS MATERIALIZED (
    SELECT i.entry_id, i.generation
    FROM identity i
    WHERE i.generation >= $2
        AND NOT EXISTS (SELECT FROM entry e WHERE e.entry_id = i.entry_id AND e.ts >= $1)
),
counted AS (
    SELECT (SELECT count(*) FROM identity i WHERE i.generation >= $2) AS identities,
        (SELECT count(*) FROM missing) AS missing
)
SELECT
    c.identities AS left_sum,
    c.identities - c.missing AS right_sum,
    c.missing AS differing,
    ARRAY(
        SELECT format('%s of generation %s has no entry', m.entry_id, m.generation) FROM missing m LIMIT $3
    ) AS samples
FROM counted c
