-- What each agent instance of a run spent on each model, whoever the tenants are that use the run's name.
-- $1 run
-- Rows: tenant, then the columns of ports.reading.RunRow in its order. Index: run_total_pkey
SELECT
    r.tenant, r.agent, r.model, r.calls, r.cost_nanos, r.unpriced_nanos, r.input, r.output, r.cache_read, r.cache_write,
    r.reasoning, r.first_ts, r.last_ts
FROM run_total r
WHERE r.run = $1
ORDER BY r.tenant, r.agent, r.model
