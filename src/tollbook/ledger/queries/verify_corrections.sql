-- Looks for corrected calls whose entries do not add up to what stands of them: the newest replacement, or nothing behind a
-- reversal alone; and for corrections whose original is gone.
-- $1 instant from which on corrections are read, $2 samples at most
-- Rows: left_sum, right_sum (of each side, nanos), differing (how many calls), samples (text, some of them)
-- Index: entry_corrects; every entry is read once more for the originals
WITH corrected AS MATERIALIZED (
    SELECT DISTINCT e.corrects AS call FROM entry e WHERE e.corrects IS NOT NULL AND e.ts >= $1
),
original AS MATERIALIZED (
    SELECT e.entry_id AS call, e.cost_nanos, e.calls, e.input, e.output
    FROM entry e
    WHERE e.corrects IS NULL AND e.entry_id IN (SELECT c.call FROM corrected c)
),
summed AS (
    SELECT
        c.call, o.call IS NULL AS orphaned, o.cost_nanos + sum(r.cost_nanos) AS nanos, o.calls + sum(r.calls) AS calls,
        o.input + sum(r.input) AS input, o.output + sum(r.output) AS output,
        coalesce(sum(r.cost_nanos) FILTER (WHERE s.stands), 0) AS nanos_standing,
        coalesce(sum(r.calls) FILTER (WHERE s.stands), 0) AS calls_standing,
        coalesce(sum(r.input) FILTER (WHERE s.stands), 0) AS input_standing,
        coalesce(sum(r.output) FILTER (WHERE s.stands), 0) AS output_standing
    FROM corrected c
    JOIN entry r ON r.corrects = c.call
    CROSS JOIN LATERAL (
        SELECT r.calls = 1 AND r.nth = (SELECT max(n.nth) FROM entry n WHERE n.corrects = c.call) AS stands
    ) AS s
    LEFT JOIN original o ON o.call = c.call
    GROUP BY c.call, o.call, o.cost_nanos, o.calls, o.input, o.output
),
compared AS MATERIALIZED (
    SELECT
        s.call, s.nanos, s.nanos_standing,
        s.orphaned OR (s.nanos, s.calls, s.input, s.output)
            IS DISTINCT FROM (s.nanos_standing, s.calls_standing, s.input_standing, s.output_standing)
            OR s.calls NOT IN (0, 1) AS differs
    FROM summed s
)
SELECT
    coalesce(sum(c.nanos), 0) AS left_sum,
    coalesce(sum(c.nanos_standing), 0) AS right_sum,
    count(*) FILTER (WHERE c.differs) AS differing,
    (array_agg(format('%s adds up to %s nanos, %s stand', c.call, c.nanos, c.nanos_standing) ORDER BY c.call)
        FILTER (WHERE c.differs))[1:$2] AS samples
FROM compared c
