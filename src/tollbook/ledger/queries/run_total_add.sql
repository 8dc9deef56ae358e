-- Adds the batch to the totals of its runs, by agent instance and model.
-- Rows: none. Lock order: by key.
-- Index: run_total_pkey; the update is HOT
INSERT INTO run_total AS r (
    tenant, run, agent, model, calls, cost_nanos, unpriced_nanos, input, output, cache_read, cache_write,
    reasoning, first_ts, last_ts
)
SELECT
    s.tenant, s.run, s.agent, s.model, sum(s.calls), sum(s.cost_nanos)::bigint,
    coalesce(sum(s.cost_nanos) FILTER (WHERE s.price_id = 0), 0)::bigint,
    sum(s.input), sum(s.output), sum(s.cache_read), sum(s.cache_write_5m::bigint + s.cache_write_1h),
    sum(s.reasoning), min(s.ts), max(s.ts)
FROM staging s
WHERE s.run IS NOT NULL
GROUP BY s.tenant, s.run, s.agent, s.model
ORDER BY s.run, s.tenant, s.agent, s.model
ON CONFLICT (run, tenant, agent, model) DO UPDATE SET
    calls = r.calls + excluded.calls,
    cost_nanos = r.cost_nanos + excluded.cost_nanos,
    unpriced_nanos = r.unpriced_nanos + excluded.unpriced_nanos,
    input = r.input + excluded.input,
    output = r.output + excluded.output,
    cache_read = r.cache_read + excluded.cache_read,
    cache_write = r.cache_write + excluded.cache_write,
    reasoning = r.reasoning + excluded.reasoning,
    first_ts = least(r.first_ts, excluded.first_ts),
    last_ts = greatest(r.last_ts, excluded.last_ts)
