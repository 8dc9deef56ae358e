-- Everyone's spend over some local days, by day, by hour, or as a whole.
-- $1 first day, $2 last day, both included; group by $3 must be false, $4 day, $5 hour, $6 and $7 must be false;
-- $8 rows at most
-- Rows: the five dimensions (null where not asked for), calls, cost_nanos, unpriced_nanos, input, output,
--       cache_read, cache_write, reasoning; ordered by the dimensions
-- Index: rollup_fleet_hour_pkey, entry_booked
SELECT
    CASE WHEN $3::boolean THEN NULL::text END AS of_tenant,
    CASE WHEN $4::boolean THEN r.day END AS of_day,
    CASE WHEN $5::boolean THEN r.hour END AS of_hour,
    CASE WHEN $6::boolean THEN NULL::text END AS of_agent,
    CASE WHEN $7::boolean THEN NULL::text END AS of_model,
    sum(r.calls)::bigint AS calls,
    sum(r.cost_nanos)::bigint AS cost_nanos,
    sum(r.unpriced_nanos)::bigint AS unpriced_nanos,
    sum(r.input)::bigint AS input,
    sum(r.output)::bigint AS output,
    sum(r.cache_read)::bigint AS cache_read,
    sum(r.cache_write)::bigint AS cache_write,
    sum(r.reasoning)::bigint AS reasoning
FROM (
    SELECT h.day, h.hour, h.calls, h.cost_nanos, h.unpriced_nanos, h.input, h.output, h.cache_read,
        h.cache_write, h.reasoning
    FROM rollup_fleet_hour h
    WHERE h.day BETWEEN $1 AND $2
    UNION ALL
    SELECT f.day, f.hour, f.calls, f.cost_nanos, f.unpriced_nanos, f.input, f.output, f.cache_read,
        f.cache_write, f.reasoning
    FROM ledger_fresh($1, $2, NULL) f
) AS r
GROUP BY of_tenant, of_day, of_hour, of_agent, of_model
ORDER BY of_tenant, of_day, of_hour, of_agent, of_model
LIMIT $8
