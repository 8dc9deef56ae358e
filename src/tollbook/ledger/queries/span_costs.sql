-- What was booked of a tenant under some ids between two instants.
-- $1 tenant, $2 ids of events, $3 and $4 instants
-- Rows: event_id, cost_nanos. Index: entry_tenant_ts
SELECT e.event_id, sum(e.cost_nanos)::bigint AS cost_nanos
FROM entry e
WHERE e.tenant = $1 AND e.ts >= $3 AND e.ts <= $4 AND e.event_id = ANY($2::text[])
GROUP BY e.event_id
