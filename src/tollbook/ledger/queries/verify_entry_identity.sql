-- Looks for entries whose identity is gone although its generation must still be kept.
-- $1 instant from which on entries are read, $2 oldest generation in which their identities can stand,
-- $3 samples at most
-- Rows: left_sum, right_sum (of each side), differing (how many keys), samples (text, some of them)
-- Index: none, every entry from $1 on and every identity from $2 on is read
WITH missing AS MATERIALIZED (
    SELECT e.entry_id, e.tenant
    FROM entry e
    WHERE e.ts >= $1
        AND NOT EXISTS (SELECT FROM identity i WHERE i.entry_id = coalesce(e.corrects, e.entry_id) AND i.generation >= $2)
),
counted AS (
    SELECT (SELECT count(*) FROM entry e WHERE e.ts >= $1) AS entries, (SELECT count(*) FROM missing) AS missing
)
SELECT
    c.entries AS left_sum,
    c.entries - c.missing AS right_sum,
    c.missing AS differing,
    ARRAY(SELECT format('%s of %s has no identity', m.entry_id, m.tenant) FROM missing m LIMIT $3) AS samples
FROM counted c
