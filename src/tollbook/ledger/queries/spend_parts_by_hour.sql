-- One tenant's spend hour by hour, some agents or models by name and the others together.
-- $1 tenant; $2 first day, $3 last day, both included; $4 by agent, else by model; $5 the names
-- Rows: at (start of a UTC hour), part (null for the others), calls, cost_nanos; by time and part
-- Index: rollup_hour_pkey (each day by itself)
SELECT
    r.hour AS at,
    CASE WHEN $4::boolean AND r.agent = ANY($5::text[]) THEN r.agent
        WHEN NOT $4::boolean AND r.model = ANY($5::text[]) THEN r.model END AS part,
    sum(r.calls)::bigint AS calls,
    sum(r.cost_nanos)::bigint AS cost_nanos
FROM generate_series($2::date, $3::date, interval '1 day') AS asked (day)
JOIN rollup_hour r ON r.day = asked.day::date AND r.tenant = $1
GROUP BY 1, 2
ORDER BY 1, 2
