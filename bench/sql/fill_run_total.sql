-- The totals of every run, by agent instance and model.
INSERT INTO run_total (
    tenant, run, agent, model, calls, cost_nanos, unpriced_nanos, input, output, cache_read, cache_write, reasoning,
    first_ts, last_ts
)
SELECT
    e.tenant, e.run, e.agent, e.model, count(*), sum(e.cost_nanos)::bigint, 0, sum(e.input), sum(e.output), 0, 0, 0,
    min(e.ts), max(e.ts)
FROM entry e
GROUP BY e.tenant, e.run, e.agent, e.model
ORDER BY e.run
