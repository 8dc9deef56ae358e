-- How many entries there are and what they cost.
-- Rows: entries, nano-dollars
SELECT count(*), coalesce(sum(cost_nanos), 0) FROM entry
