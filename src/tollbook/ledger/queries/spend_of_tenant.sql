-- One tenant's spend over some of its local days, grouped by whichever dimensions are asked for.
-- The rollup is keyed by day: daily_spend says on which days the tenant has any.
-- $1 first day, $2 last day, both included; group by $3 tenant, $4 day, $5 hour, $6 agent, $7 model;
-- $8 rows at most; $9 tenant
-- Rows: the five dimensions (null where not asked for), calls, cost_nanos, unpriced_nanos, input, output, cache_read,
--       cache_write, reasoning; ordered by the dimensions
-- Index: rollup_hour_pkey
SELECT
    CASE WHEN $3::boolean THEN r.tenant END AS of_tenant,
    CASE WHEN $4::boolean THEN r.day END AS of_day,
    CASE WHEN $5::boolean THEN r.hour END AS of_hour,
    CASE WHEN $6::boolean THEN r.agent END AS of_agent,
    CASE WHEN $7::boolean THEN r.model END AS of_model,
    sum(r.calls)::bigint AS calls,
    sum(r.cost_nanos)::bigint AS cost_nanos,
    sum(r.unpriced_nanos)::bigint AS unpriced_nanos,
    sum(r.input)::bigint AS input,
    sum(r.output)::bigint AS output,
    sum(r.cache_read)::bigint AS cache_read,
    sum(r.cache_write)::bigint AS cache_write,
    sum(r.reasoning)::bigint AS reasoning
FROM daily_spend d
JOIN rollup_hour r ON r.day = d.day AND r.tenant = d.tenant_id
WHERE d.tenant_id = $9 AND d.day BETWEEN $1 AND $2
GROUP BY of_tenant, of_day, of_hour, of_agent, of_model
ORDER BY of_tenant, of_day, of_hour, of_agent, of_model
LIMIT $8
