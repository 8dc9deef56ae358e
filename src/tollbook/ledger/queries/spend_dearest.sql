-- The dearest groups of some local days, few of them: all their rows are read.
-- $1 first day, $2 last day, both included; group by $3 tenant, $4 agent, $5 model; $6 groups at most; $7 tenant, null: everyone
-- Rows: tenant, agent, model (null where not asked for), calls, cost_nanos, unpriced_nanos; dearest first
-- Index: rollup_day_pkey, entry_booked
SELECT
    CASE WHEN $3::boolean THEN r.tenant END AS of_tenant,
    CASE WHEN $4::boolean THEN r.agent END AS of_agent,
    CASE WHEN $5::boolean THEN r.model END AS of_model,
    sum(r.calls)::bigint AS calls,
    sum(r.cost_nanos)::bigint AS cost_nanos,
    sum(r.unpriced_nanos)::bigint AS unpriced_nanos
FROM (
    SELECT d.tenant, d.agent, d.model, d.calls, d.cost_nanos, d.unpriced_nanos
    FROM rollup_day d
    WHERE d.day BETWEEN $1 AND $2 AND ($7::text IS NULL OR d.tenant = $7)
    UNION ALL
    SELECT f.tenant, f.agent, f.model, f.calls, f.cost_nanos, f.unpriced_nanos
    FROM ledger_fresh($1, $2, $7) f
) AS r
GROUP BY of_tenant, of_agent, of_model
HAVING sum(r.calls) <> 0 OR sum(r.cost_nanos) <> 0
ORDER BY cost_nanos DESC, of_tenant, of_agent, of_model
LIMIT $6
