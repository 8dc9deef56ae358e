-- Compares the meters that budgets name with the sums of their entries: windows that are open, and runs begun lately.
-- $1 instant from which on entries are read, $2 instant before which begun runs are left out, $3 now, $4 samples at most
-- Rows: left_sum, right_sum (of each side, whatever the unit), differing (how many keys), samples (text, some of them)
-- Index: budget_meter; every entry from $1 on is read
WITH call AS (
    SELECT
        e.tenant, e.agent, regexp_replace(e.agent, '#[^/]*', '', 'g') AS roles, e.model, e.run, e.tags, e.day,
        d.window_start, d.window_end, date_trunc('minute', ledger_counted_at(e.ts, e.hold), 'UTC') AS counted_at,
        min(e.ts) AS first_ts, sum(e.cost_nanos) AS nanos, sum(e.input::bigint + e.output) AS tokens, sum(e.calls) AS calls
    FROM entry e
    JOIN daily_spend d ON d.tenant_id = e.tenant AND d.day = e.day
    WHERE e.ts >= $1 AND EXISTS (SELECT FROM budget b WHERE b.id <> 'daily')
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
),
booked AS (
    SELECT
        c.tenant,
        concat_ws('|', n.unit, ledger_window(n.window_kind, c.counted_at, c.day, c.window_start, c.run), n.scope, n.value)
            AS meter,
        sum(CASE n.unit WHEN 'usd' THEN c.nanos WHEN 'tokens' THEN c.tokens ELSE c.calls END) AS total
    FROM call c
    CROSS JOIN LATERAL (
        SELECT DISTINCT s.scope, s.value, b.window_kind, b.unit
        FROM ledger_scopes(c.agent, c.roles, c.run, c.model, c.tags) s
        JOIN budget b ON b.tenant IN (c.tenant, '') AND b.scope = s.scope AND b.match IN (s.value, s.each)
        WHERE b.id <> 'daily'
    ) AS n
    WHERE CASE WHEN n.window_kind = 'run'
        THEN c.run IS NOT NULL AND (
            SELECT min(r.first_ts) FROM run_total r WHERE r.tenant = c.tenant AND r.run = c.run) >= greatest($1, $2)
        ELSE ledger_window_until(n.window_kind, c.counted_at, c.day, c.window_start, c.window_end)
            > extract(epoch FROM $3::timestamptz) * 1000
        END
    GROUP BY 1, 2
),
compared AS MATERIALIZED (
    SELECT b.tenant, b.meter, b.total AS booked, m.total AS kept, b.total IS DISTINCT FROM m.total AS differs
    FROM booked b
    LEFT JOIN meter_total m ON m.tenant = b.tenant AND m.meter = b.meter
)
SELECT
    coalesce(sum(c.booked), 0) AS left_sum,
    coalesce(sum(c.kept), 0) AS right_sum,
    count(*) FILTER (WHERE c.differs) AS differing,
    (array_agg(format('%s %s: entries %s, meter_total %s', c.tenant, c.meter, c.booked, c.kept)
        ORDER BY c.tenant, c.meter) FILTER (WHERE c.differs))[1:$4] AS samples
FROM compared c
