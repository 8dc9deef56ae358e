-- Adds up the entries of every closed statement again, by the closes alone, and compares them with what was kept; looks at the
-- digest of what was kept, and whether days that were touched behind a close say so.
-- $1 instant from which on entries are read, $2 first local day of a month that is compared, $3 samples at most
-- Rows: left_sum, right_sum (of each side, nanos), differing (how many statements and days), samples (text, some of them)
-- Index: none, every entry from $1 on is read
WITH whose AS MATERIALIZED (
    SELECT d.tenant_id AS tenant, d.day, date_trunc('month', d.day)::date AS month, d.partition, d.version
    FROM daily_spend d
    WHERE d.day >= $2::date AND EXISTS (SELECT FROM period_close)
),
-- The closes that a month of a tenant has, in their order: each holds the versions behind the one before, in the statement
-- of the month itself or of the month behind the period of the close before.
chain AS MATERIALIZED (
    SELECT
        m.tenant, m.month, c.versions,
        lag(c.versions) OVER w AS before,
        coalesce((lag(c.reach) OVER w + interval '1 month')::date, m.month) AS statement
    FROM (SELECT DISTINCT w.tenant, w.month FROM whose w) AS m
    CROSS JOIN LATERAL (
        -- A close that a later one of its kind had been ahead of says nothing new.
        SELECT DISTINCT ON (k.reach) k.close_id, k.versions, k.reach
        FROM (
            SELECT p.close_id, p.versions, max(p.period) OVER (ORDER BY p.close_id) AS reach
            FROM period_close p
            WHERE p.tenant IN (m.tenant, '') AND p.period >= m.month
        ) AS k
        ORDER BY k.reach, k.close_id
    ) AS c
    WINDOW w AS (PARTITION BY m.tenant, m.month ORDER BY c.reach)
),
booked AS MATERIALIZED (
    SELECT e.tenant, e.day, e.partition, e.version, e.cost_nanos, e.calls, e.input, e.output
    FROM entry e
    WHERE e.ts >= $1 AND e.day >= $2::date AND EXISTS (SELECT FROM period_close)
),
summed AS (
    SELECT
        c.tenant, c.statement, c.month, count(*) AS entries, sum(b.calls) AS calls, sum(b.cost_nanos) AS cost_nanos,
        sum(b.input) AS input, sum(b.output) AS output
    FROM booked b
    JOIN chain c ON c.tenant = b.tenant AND c.month = date_trunc('month', b.day)::date
        AND b.version > coalesce(c.before[b.partition + 1], 0) AND b.version <= coalesce(c.versions[b.partition + 1], 0)
    GROUP BY c.tenant, c.statement, c.month
),
-- Months are compared each by itself: entries of those before $2 may be gone.
kept AS MATERIALIZED (
    SELECT
        k.tenant, k.period, j.month, j.entries, j.calls, j.cost_nanos, j.input, j.output, sha256(k.lines) <> k.digest AS altered
    FROM closed_statement k
    CROSS JOIN LATERAL (
        SELECT
            (l.line ->> 'period' || '-01')::date AS month, sum((l.line ->> 'entries')::bigint) AS entries,
            sum((l.line ->> 'calls')::bigint) AS calls, sum((l.line ->> 'cost_nanos')::bigint) AS cost_nanos,
            sum((l.line ->> 'input')::bigint) AS input, sum((l.line ->> 'output')::bigint) AS output
        FROM jsonb_array_elements(convert_from(k.lines, 'UTF8')::jsonb) AS l (line)
        GROUP BY 1
    ) AS j
    WHERE j.month >= $2::date
),
compared AS MATERIALIZED (
    SELECT
        k.tenant, k.period, coalesce(s.cost_nanos, 0) AS booked_nanos, k.cost_nanos AS kept_nanos,
        k.altered OR (s.entries, s.calls, s.cost_nanos, s.input, s.output)
            IS DISTINCT FROM (k.entries, k.calls, k.cost_nanos, k.input, k.output) AS differs
    FROM kept k
    LEFT JOIN summed s ON (s.tenant, s.statement, s.month) = (k.tenant, k.period, k.month)
    UNION ALL
    SELECT s.tenant, s.statement, s.cost_nanos, 0, true
    FROM summed s
    JOIN closed_statement k ON k.tenant = s.tenant AND k.period = s.statement
    WHERE NOT EXISTS (SELECT FROM kept f WHERE (f.tenant, f.period, f.month) = (s.tenant, s.statement, s.month))
),
-- Only the newest entry of a day has to be looked at, and only where one is behind the first close of its month.
missed AS MATERIALIZED (
    SELECT w.tenant, w.day
    FROM booked b
    JOIN whose w ON w.tenant = b.tenant AND w.day = b.day
    JOIN chain c ON c.tenant = w.tenant AND c.month = w.month AND c.before IS NULL
    WHERE b.version > coalesce(c.versions[b.partition + 1], 0) AND w.partition = b.partition
    GROUP BY w.tenant, w.day, w.version
    HAVING max(b.version) > w.version
)
SELECT
    coalesce(sum(c.booked_nanos), 0) AS left_sum,
    coalesce(sum(c.kept_nanos), 0) AS right_sum,
    count(*) FILTER (WHERE c.differs) + (SELECT count(*) FROM missed) AS differing,
    ARRAY(
        SELECT format('%s %s: entries %s nanos, kept %s nanos', d.tenant, to_char(d.period, 'YYYY-MM'), d.booked_nanos, d.kept_nanos)
        FROM compared d WHERE d.differs
        UNION ALL
        SELECT format('%s %s: touched behind a close, which daily_spend.version does not say', m.tenant, m.day) FROM missed m
        LIMIT $3
    ) AS samples
FROM compared c
