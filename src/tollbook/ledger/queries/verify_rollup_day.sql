-- Compares the hourly rollup with those by day and by month and everyone's by hour, each with what its cursors have not reached:
-- calls, cost, what is unpriced, and all tokens.
-- $1 first local day, $2 samples at most
-- Rows: left_sum, right_sum (of each side), differing (how many keys), samples (text, some of them)
-- Index: none, every row from $1 on is read; of months those that begin at $1 or later
WITH hourly AS (
    SELECT r.day, r.hour, r.tenant, r.agent, r.model, r.calls, r.cost_nanos, r.unpriced_nanos, r.input + r.output + r.cache_read + r.cache_write + r.reasoning AS tokens
    FROM rollup_hour r
    WHERE r.day >= $1
),
fresh AS MATERIALIZED (
    SELECT f.day, f.hour, f.tenant, f.agent, f.model, f.calls, f.cost_nanos, f.unpriced_nanos, f.input + f.output + f.cache_read + f.cache_write + f.reasoning AS tokens
    FROM ledger_fresh($1, 'infinity', NULL) f
),
booked AS (
    SELECT
        concat_ws(' ', 'day', h.day, h.tenant, h.agent, h.model) AS name, sum(h.calls) AS calls,
        sum(h.cost_nanos) AS cost_nanos, sum(h.unpriced_nanos) AS unpriced_nanos, sum(h.tokens) AS tokens
    FROM hourly h
    GROUP BY h.day, h.tenant, h.agent, h.model
    UNION ALL
    SELECT
        concat_ws(' ', 'month', date_trunc('month', h.day::timestamp)::date, h.tenant, h.agent, h.model), sum(h.calls),
        sum(h.cost_nanos), sum(h.unpriced_nanos), sum(h.tokens)
    FROM hourly h
    WHERE date_trunc('month', h.day::timestamp)::date >= $1
    GROUP BY date_trunc('month', h.day::timestamp), h.tenant, h.agent, h.model
    UNION ALL
    SELECT
        concat_ws(' ', 'hour', h.day, h.hour AT TIME ZONE 'UTC'), sum(h.calls), sum(h.cost_nanos),
        sum(h.unpriced_nanos), sum(h.tokens)
    FROM hourly h
    GROUP BY h.day, h.hour
),
rolled AS (
    SELECT
        concat_ws(' ', 'day', d.day, d.tenant, d.agent, d.model) AS name, d.calls, d.cost_nanos, d.unpriced_nanos,
        d.input + d.output + d.cache_read + d.cache_write + d.reasoning AS tokens
    FROM rollup_day d
    WHERE d.day >= $1
    UNION ALL
    SELECT
        concat_ws(' ', 'day', f.day, f.tenant, f.agent, f.model), f.calls, f.cost_nanos, f.unpriced_nanos,
        f.tokens
    FROM fresh f
    UNION ALL
    SELECT
        concat_ws(' ', 'month', m.month, m.tenant, m.agent, m.model), m.calls, m.cost_nanos, m.unpriced_nanos,
        m.input + m.output + m.cache_read + m.cache_write + m.reasoning
    FROM rollup_month m
    WHERE m.month >= $1
    UNION ALL
    SELECT
        concat_ws(' ', 'month', date_trunc('month', f.day::timestamp)::date, f.tenant, f.agent, f.model), f.calls,
        f.cost_nanos, f.unpriced_nanos, f.tokens
    FROM fresh f
    WHERE date_trunc('month', f.day::timestamp)::date >= $1
    UNION ALL
    SELECT
        concat_ws(' ', 'hour', h.day, h.hour AT TIME ZONE 'UTC'), h.calls, h.cost_nanos, h.unpriced_nanos,
        h.input + h.output + h.cache_read + h.cache_write + h.reasoning
    FROM rollup_fleet_hour h
    WHERE h.day >= $1
    UNION ALL
    SELECT
        concat_ws(' ', 'hour', f.day, f.hour AT TIME ZONE 'UTC'), f.calls, f.cost_nanos, f.unpriced_nanos,
        f.tokens
    FROM fresh f
),
kept AS (
    SELECT
        r.name, sum(r.calls) AS calls, sum(r.cost_nanos) AS cost_nanos, sum(r.unpriced_nanos) AS unpriced_nanos,
        sum(r.tokens) AS tokens
    FROM rolled r
    GROUP BY r.name
),
compared AS (
    SELECT
        coalesce(b.name, k.name) AS name, b.cost_nanos AS booked_nanos, k.cost_nanos AS kept_nanos,
        (b.calls, b.cost_nanos, b.unpriced_nanos, b.tokens)
            IS DISTINCT FROM (k.calls, k.cost_nanos, k.unpriced_nanos, k.tokens) AS differs
    FROM booked b
    FULL JOIN kept k ON k.name = b.name
)
SELECT
    coalesce(sum(c.booked_nanos), 0) AS left_sum,
    coalesce(sum(c.kept_nanos), 0) AS right_sum,
    count(*) FILTER (WHERE c.differs) AS differing,
    (array_agg(format('%s: rollup_hour %s nanos, kept %s nanos', c.name, c.booked_nanos, c.kept_nanos) ORDER BY c.name)
        FILTER (WHERE c.differs))[1:$2] AS samples
FROM compared c
