-- The hourly rollup, by agent without instances.
INSERT INTO rollup_hour (
    tenant, day, hour, agent, model, calls, cost_nanos, unpriced_nanos, input, output, cache_read, cache_write, reasoning
)
SELECT
    e.tenant, e.day, date_trunc('hour', e.ts, 'UTC'), regexp_replace(e.agent, '#[^/]*', '', 'g'), e.model, count(*),
    sum(e.cost_nanos)::bigint, 0, sum(e.input), sum(e.output), 0, 0, 0
FROM entry e
GROUP BY 1, 2, 3, 4, 5
ORDER BY 3
