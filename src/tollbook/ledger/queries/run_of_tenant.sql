-- What each agent instance of a tenant's run spent on each model.
-- $1 run, $2 tenant
-- Rows: tenant, then the columns of ports.reading.RunRow in its order. Index: run_total_pkey
SELECT
    r.tenant, r.agent, r.model, r.calls, r.cost_nanos, r.unpriced_nanos, r.input, r.output, r.cache_read, r.cache_write,
    r.reasoning, r.first_ts, r.last_ts
FROM run_total r
WHERE r.tenant = $2 AND r.run = $1
ORDER BY r.agent, r.model
