-- What each agent instance of a run spent on each model, whoever the tenants are that use the run's name.
-- The index leads with the tenant: it is entered once for each tenant instead of being read whole.
-- $1 run
-- Rows: tenant, then the columns of ports.reading.RunRow in its order. Index: run_total_pkey
WITH RECURSIVE known AS (
    SELECT min(f.tenant) AS tenant FROM run_total f
    UNION ALL
    SELECT (SELECT min(n.tenant) FROM run_total n WHERE n.tenant > k.tenant) FROM known k WHERE k.tenant IS NOT NULL
)
SELECT
    r.tenant, r.agent, r.model, r.calls, r.cost_nanos, r.unpriced_nanos, r.input, r.output, r.cache_read, r.cache_write,
    r.reasoning, r.first_ts, r.last_ts
FROM known k
CROSS JOIN LATERAL (
    SELECT
        t.tenant, t.agent, t.model, t.calls, t.cost_nanos, t.unpriced_nanos, t.input, t.output, t.cache_read,
        t.cache_write, t.reasoning, t.first_ts, t.last_ts
    FROM run_total t
    WHERE t.tenant = k.tenant AND t.run = $1
    -- Keeps the planner from turning this into one reading of the whole index.
    OFFSET 0
) AS r
ORDER BY r.tenant, r.agent, r.model
