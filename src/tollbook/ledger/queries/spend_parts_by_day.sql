-- One tenant's spend day by day, some agents or models by name and the others together.
-- $1 tenant; $2 first day, $3 last day, both included; $4 by agent, else by model; $5 the names
-- Rows: at (local day), part (null for the others), calls, cost_nanos; by time and part
-- Index: rollup_day_pkey (each day by itself), entry_booked
SELECT
    r.day AS at,
    CASE WHEN $4::boolean AND r.agent = ANY($5::text[]) THEN r.agent
        WHEN NOT $4::boolean AND r.model = ANY($5::text[]) THEN r.model END AS part,
    sum(r.calls)::bigint AS calls,
    sum(r.cost_nanos)::bigint AS cost_nanos
FROM (
    SELECT d.day, d.agent, d.model, d.calls, d.cost_nanos
    FROM generate_series($2::date, $3::date, interval '1 day') AS asked (day)
    JOIN rollup_day d ON d.day = asked.day::date AND d.tenant = $1
    UNION ALL
    SELECT f.day, f.agent, f.model, f.calls, f.cost_nanos
    FROM ledger_fresh($2, $3, $1) f
) AS r
GROUP BY 1, 2
ORDER BY 1, 2
