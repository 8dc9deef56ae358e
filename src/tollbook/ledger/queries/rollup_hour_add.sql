-- Adds the batch to the hourly rollup by agent path (roles, without instances) and model.
-- Rows: none. Lock order: by key.
-- Index: rollup_hour_pkey; the update is HOT
INSERT INTO rollup_hour AS r (
    tenant, day, hour, agent, model, calls, cost_nanos, unpriced_nanos, input, output, cache_read, cache_write,
    reasoning
)
SELECT
    s.tenant, s.day, date_trunc('hour', s.ts, 'UTC') AS hour, s.roles, s.model, sum(s.calls),
    sum(s.cost_nanos)::bigint, coalesce(sum(s.cost_nanos) FILTER (WHERE s.price_id = 0), 0)::bigint,
    sum(s.input), sum(s.output), sum(s.cache_read), sum(s.cache_write_5m::bigint + s.cache_write_1h),
    sum(s.reasoning)
FROM staging s
GROUP BY s.tenant, s.day, hour, s.roles, s.model
ORDER BY s.day, s.tenant, hour, s.roles, s.model
ON CONFLICT (day, tenant, hour, agent, model) DO UPDATE SET
    calls = r.calls + excluded.calls,
    cost_nanos = r.cost_nanos + excluded.cost_nanos,
    unpriced_nanos = r.unpriced_nanos + excluded.unpriced_nanos,
    input = r.input + excluded.input,
    output = r.output + excluded.output,
    cache_read = r.cache_read + excluded.cache_read,
    cache_write = r.cache_write + excluded.cache_write,
    reasoning = r.reasoning + excluded.reasoning
