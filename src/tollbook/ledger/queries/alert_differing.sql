-- What was booked after a version at another cost than its sender named, by tenant, day and model.
-- $1 partition, $2 version looked at, $3 instant from which on calls still ring
-- Rows: tenant, day, model, calls, reported_nanos, cost_nanos. Index: entry_differs
SELECT
    e.tenant, e.day, e.model, count(*) AS calls, sum(e.reported_nanos)::bigint AS reported_nanos,
    sum(e.cost_nanos)::bigint AS cost_nanos
FROM entry e
WHERE e.partition = $1 AND e.version > $2 AND e.flags & 8192 <> 0 AND e.ts >= $3 AND e.calls > 0
GROUP BY e.tenant, e.day, e.model
ORDER BY e.tenant, e.day, e.model
