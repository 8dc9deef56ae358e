-- Compares the totals of runs with the sums of entries, for runs that began at $1 or later.
-- $1 instant from which on entries are read, $2 samples at most
-- Rows: left_sum, right_sum (of each side), differing (how many keys), samples (text, some of them)
-- Index: none, every entry from $1 on is read
WITH booked AS (
    SELECT
        e.tenant, e.run, e.agent, e.model, min(e.ts) AS first_ts, max(e.ts) AS last_ts,
        sum(e.calls) AS calls, sum(e.cost_nanos) AS cost_nanos,
        coalesce(sum(e.cost_nanos) FILTER (WHERE e.price_id IS NULL), 0) AS unpriced_nanos, sum(e.input) AS input,
        sum(e.output) AS output, sum(e.cache_read) AS cache_read,
        sum(e.cache_write_5m::bigint + e.cache_write_1h) AS cache_write, sum(e.reasoning) AS reasoning
    FROM entry e
    WHERE e.ts >= $1 AND e.run IS NOT NULL
    GROUP BY e.tenant, e.run, e.agent, e.model
),
compared AS (
    SELECT
        concat_ws(' ', coalesce(b.tenant, k.tenant), coalesce(b.run, k.run), coalesce(b.agent, k.agent),
            coalesce(b.model, k.model)) AS name,
        b.cost_nanos AS booked_nanos, k.cost_nanos AS kept_nanos, b.calls AS booked_calls, k.calls AS kept_calls,
        (b.first_ts, b.last_ts) IS DISTINCT FROM (k.first_ts, k.last_ts)
            OR (b.calls, b.cost_nanos, b.unpriced_nanos, b.input, b.output, b.cache_read, b.cache_write, b.reasoning)
            IS DISTINCT FROM
            (k.calls, k.cost_nanos, k.unpriced_nanos, k.input, k.output, k.cache_read, k.cache_write, k.reasoning)
            AS differs
    FROM booked b
    FULL JOIN run_total k ON k.tenant = b.tenant AND k.run = b.run AND k.agent = b.agent AND k.model = b.model
    WHERE k.first_ts IS NULL OR k.first_ts >= $1
)
SELECT
    coalesce(sum(c.booked_nanos), 0) AS left_sum,
    coalesce(sum(c.kept_nanos), 0) AS right_sum,
    count(*) FILTER (WHERE c.differs) AS differing,
    (array_agg(format('%s: entries %s nanos in %s calls, run_total %s nanos in %s calls', c.name, c.booked_nanos,
        c.booked_calls, c.kept_nanos, c.kept_calls) ORDER BY c.name) FILTER (WHERE c.differs))[1:$2] AS samples
FROM compared c
