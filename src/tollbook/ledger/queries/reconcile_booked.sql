-- What is booked by UTC day, provider, model and service tier, with what may explain a drift.
-- $1 first instant, $2 instant behind the last, $3 tenant (null: all)
-- Rows: day, provider, model, tier, calls, cost_nanos, input, cache_read, cache_write, output, unpriced_nanos,
--       estimated_nanos, aggregate_nanos, discounted_nanos
-- Index: entry_ts or entry_tenant_ts of the months of the range; price_pkey
WITH part AS MATERIALIZED (
    SELECT
        (e.ts AT TIME ZONE 'UTC')::date AS day, e.provider, e.model, e.service_tier AS tier, e.price_id, sum(e.calls) AS calls,
        sum(e.cost_nanos) AS cost_nanos, sum(e.input) AS input, sum(e.cache_read) AS cache_read,
        sum(e.cache_write_5m::bigint + e.cache_write_1h) AS cache_write, sum(e.output) AS output,
        sum(e.cost_nanos) FILTER (WHERE e.standing <> 0 AND e.standing & 8388608 = 0) AS estimated_nanos,
        sum(e.cost_nanos) FILTER (WHERE e.standing >> 24 IN (1, 2)) AS aggregate_nanos
    FROM entry e
    WHERE e.ts >= $1 AND e.ts < $2 AND ($3::text IS NULL OR e.tenant = $3)
    GROUP BY 1, e.provider, e.model, e.service_tier, e.price_id
)
SELECT
    x.day, x.provider, x.model, x.tier, sum(x.calls)::bigint AS calls, sum(x.cost_nanos)::bigint AS cost_nanos,
    sum(x.input)::bigint AS input, sum(x.cache_read)::bigint AS cache_read, sum(x.cache_write)::bigint AS cache_write,
    sum(x.output)::bigint AS output, coalesce(sum(x.cost_nanos) FILTER (WHERE x.price_id IS NULL), 0)::bigint AS unpriced_nanos,
    coalesce(sum(x.estimated_nanos), 0)::bigint AS estimated_nanos,
    coalesce(sum(x.aggregate_nanos), 0)::bigint AS aggregate_nanos,
    coalesce(sum(x.cost_nanos) FILTER (WHERE p.terms ->> 'origin' = 'discount'), 0)::bigint AS discounted_nanos
FROM part x
LEFT JOIN price p ON p.price_id = x.price_id
GROUP BY x.day, x.provider, x.model, x.tier
ORDER BY x.day, x.provider, x.model, x.tier
