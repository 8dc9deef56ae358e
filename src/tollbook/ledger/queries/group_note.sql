-- Notes which groups the batch saw calls, aggregates and metrics of, repeats included.
-- $1 the week of this transaction
-- Rows: group_key of each group. Lock order: by key. Index: observed_group_pkey
WITH grouped AS MATERIALIZED (
    SELECT
        s.group_key, max(s.standing >> 24) AS level,
        CASE WHEN s.standing >> 24 >= 3 THEN '00000000-0000-0000-0000-000000000000'::uuid ELSE s.entry_id END AS entry_id
    FROM staging s
    WHERE s.group_key IS NOT NULL AND s.standing > 0
    GROUP BY 1, 3
),
noted AS (
    INSERT INTO observed_group AS g (group_key, entry_id, level, week)
    SELECT n.group_key, n.entry_id, n.level, $1::integer FROM grouped n ORDER BY n.group_key, n.entry_id
    ON CONFLICT (group_key, entry_id) DO UPDATE
        SET level = greatest(g.level, excluded.level), week = greatest(g.week, excluded.week)
        WHERE g.level < excluded.level OR g.week < excluded.week
)
SELECT DISTINCT g.group_key FROM grouped g
