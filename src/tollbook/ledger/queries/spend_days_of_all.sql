-- Everyone's spend over some local days, by anything but the hour.
-- $1 first day, $2 last day, both included; group by $3 tenant, $4 day, $5 must be false, $6 agent, $7 model;
-- $8 rows at most
-- Rows: the five dimensions (null where not asked for, the hour always), calls, cost_nanos, unpriced_nanos, input, output,
--       cache_read, cache_write, reasoning; ordered by the dimensions
-- Index: rollup_day_pkey, entry_booked
SELECT
    CASE WHEN $3::boolean THEN r.tenant END AS of_tenant,
    CASE WHEN $4::boolean THEN r.day END AS of_day,
    CASE WHEN $5::boolean THEN NULL::timestamptz END AS of_hour,
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
FROM (
    SELECT d.tenant, d.day, d.agent, d.model, d.calls, d.cost_nanos, d.unpriced_nanos, d.input, d.output, d.cache_read,
        d.cache_write, d.reasoning
    FROM rollup_day d
    WHERE d.day BETWEEN $1 AND $2
    UNION ALL
    SELECT f.tenant, f.day, f.agent, f.model, f.calls, f.cost_nanos, f.unpriced_nanos, f.input, f.output, f.cache_read,
        f.cache_write, f.reasoning
    FROM ledger_fresh($1, $2, NULL) f
) AS r
GROUP BY of_tenant, of_day, of_hour, of_agent, of_model
ORDER BY of_tenant, of_day, of_hour, of_agent, of_model
LIMIT $8
