-- Compares the hourly rollup with the sums of entries: calls, cost, each count of tokens, and what is unpriced.
-- $1 instant from which on entries are read, $2 first local day, $3 samples at most
-- Rows: left_sum, right_sum (of each side), differing (how many keys), samples (text, some of them)
-- Index: none, every entry from $1 on is read
WITH spelt AS (
    SELECT
        e.tenant, e.day, date_trunc('hour', e.ts, 'UTC') AS hour, e.agent, e.model,
        sum(e.calls) AS calls, sum(e.cost_nanos) AS cost_nanos,
        coalesce(sum(e.cost_nanos) FILTER (WHERE e.price_id IS NULL), 0) AS unpriced_nanos, sum(e.input) AS input,
        sum(e.output) AS output, sum(e.cache_read) AS cache_read,
        sum(e.cache_write_5m::bigint + e.cache_write_1h) AS cache_write, sum(e.reasoning) AS reasoning
    FROM entry e
    WHERE e.ts >= $1 AND e.day >= $2
    GROUP BY e.tenant, e.day, hour, e.agent, e.model
),
-- Instances are cut off once for each spelling, which is a hundred times cheaper than once for each entry.
booked AS (
    SELECT
        s.tenant, s.day, s.hour, regexp_replace(s.agent, '#[^/]*', '', 'g') AS roles, s.model,
        sum(s.calls) AS calls, sum(s.cost_nanos) AS cost_nanos, sum(s.unpriced_nanos) AS unpriced_nanos,
        sum(s.input) AS input, sum(s.output) AS output, sum(s.cache_read) AS cache_read,
        sum(s.cache_write) AS cache_write, sum(s.reasoning) AS reasoning
    FROM spelt s
    GROUP BY s.tenant, s.day, s.hour, roles, s.model
),
kept AS (
    SELECT
        r.tenant, r.day, r.hour, r.agent, r.model, r.calls, r.cost_nanos, r.unpriced_nanos, r.input, r.output,
        r.cache_read, r.cache_write, r.reasoning
    FROM rollup_hour r
    WHERE r.day >= $2
),
compared AS (
    SELECT
        concat_ws(' ', coalesce(b.tenant, k.tenant), coalesce(b.day, k.day),
            coalesce(b.hour, k.hour) AT TIME ZONE 'UTC', coalesce(b.roles, k.agent), coalesce(b.model, k.model)
        ) AS name,
        b.cost_nanos AS booked_nanos, k.cost_nanos AS kept_nanos, b.calls AS booked_calls, k.calls AS kept_calls,
        (b.calls, b.cost_nanos, b.unpriced_nanos, b.input, b.output, b.cache_read, b.cache_write, b.reasoning)
            IS DISTINCT FROM
            (k.calls, k.cost_nanos, k.unpriced_nanos, k.input, k.output, k.cache_read, k.cache_write, k.reasoning)
            AS differs
    FROM booked b
    FULL JOIN kept k
        ON k.tenant = b.tenant AND k.day = b.day AND k.hour = b.hour AND k.agent = b.roles AND k.model = b.model
)
SELECT
    coalesce(sum(c.booked_nanos), 0) AS left_sum,
    coalesce(sum(c.kept_nanos), 0) AS right_sum,
    count(*) FILTER (WHERE c.differs) AS differing,
    (array_agg(format('%s: entries %s nanos in %s calls, rollup_hour %s nanos in %s calls', c.name, c.booked_nanos,
        c.booked_calls, c.kept_nanos, c.kept_calls) ORDER BY c.name) FILTER (WHERE c.differs))[1:$3] AS samples
FROM compared c
