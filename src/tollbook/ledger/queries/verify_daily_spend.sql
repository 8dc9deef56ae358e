-- Compares each tenant's day with the sum of its entries: calls, cost, tokens, and what is unpriced.
-- $1 instant from which on entries are read, $2 first local day, $3 samples at most
-- Rows: left_sum, right_sum (of each side), differing (how many keys), samples (text, some of them)
-- Index: none, every entry from $1 on is read
WITH booked AS (
    SELECT
        e.tenant, e.day, sum(e.calls) AS calls, sum(e.cost_nanos) AS cost_nanos, sum(e.input) AS input,
        sum(e.output) AS output, coalesce(sum(e.cost_nanos) FILTER (WHERE e.price_id IS NULL), 0) AS unpriced_nanos
    FROM entry e
    WHERE e.ts >= $1 AND e.day >= $2
    GROUP BY e.tenant, e.day
),
kept AS (
    SELECT d.tenant_id AS tenant, d.day, d.calls, d.cost_nanos, d.input, d.output, d.unpriced_nanos
    FROM daily_spend d
    WHERE d.day >= $2
),
compared AS MATERIALIZED (
    SELECT
        coalesce(b.tenant, k.tenant) AS tenant, coalesce(b.day, k.day) AS day,
        b.calls AS booked_calls, k.calls AS kept_calls, b.cost_nanos AS booked_nanos, k.cost_nanos AS kept_nanos,
        (b.calls, b.cost_nanos, b.input, b.output, b.unpriced_nanos)
            IS DISTINCT FROM (k.calls, k.cost_nanos, k.input, k.output, k.unpriced_nanos) AS differs
    FROM booked b
    FULL JOIN kept k ON k.tenant = b.tenant AND k.day = b.day
)
SELECT
    coalesce(sum(c.booked_nanos), 0) AS left_sum,
    coalesce(sum(c.kept_nanos), 0) AS right_sum,
    count(*) FILTER (WHERE c.differs) AS differing,
    ARRAY(
        SELECT format('%s %s: entries %s nanos in %s calls, daily_spend %s nanos in %s calls', s.tenant, s.day,
            s.booked_nanos, s.booked_calls, s.kept_nanos, s.kept_calls)
        FROM compared s WHERE s.differs ORDER BY s.tenant, s.day LIMIT $3
    ) AS samples
FROM compared c
