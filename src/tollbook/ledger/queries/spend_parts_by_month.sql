-- One tenant's spend month by month, some agents or models by name and the others together.
-- $1 tenant; $2 first day of the first month, $3 last day of the last one; $4 by agent, else by model; $5 the names
-- Rows: at (first day of a month), part (null for the others), calls, cost_nanos; by time and part
-- Index: rollup_month_pkey (each month by itself), entry_booked
SELECT
    r.month AS at,
    CASE WHEN $4::boolean AND r.agent = ANY($5::text[]) THEN r.agent
        WHEN NOT $4::boolean AND r.model = ANY($5::text[]) THEN r.model END AS part,
    sum(r.calls)::bigint AS calls,
    sum(r.cost_nanos)::bigint AS cost_nanos
FROM (
    SELECT m.month, m.agent, m.model, m.calls, m.cost_nanos
    FROM generate_series($2::date, $3::date, interval '1 month') AS asked (month)
    JOIN rollup_month m ON m.month = asked.month::date AND m.tenant = $1
    UNION ALL
    SELECT date_trunc('month', f.day::timestamp)::date, f.agent, f.model, f.calls, f.cost_nanos
    FROM ledger_fresh($2, $3, $1) f
) AS r
GROUP BY 1, 2
ORDER BY 1, 2
