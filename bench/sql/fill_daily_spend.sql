-- The totals of every tenant's day.
INSERT INTO daily_spend (
    tenant_id, day, cost_nanos, calls, input, output, unpriced_nanos, window_start, window_end, partition
)
SELECT
    e.tenant, e.day, sum(e.cost_nanos)::bigint, count(*), sum(e.input), sum(e.output), 0,
    e.day::timestamp AT TIME ZONE 'UTC', (e.day + 1)::timestamp AT TIME ZONE 'UTC', 0
FROM entry e
GROUP BY e.tenant, e.day
ORDER BY e.day
