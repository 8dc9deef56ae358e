-- Keeps throttle states.
-- $1 partition, $2 now, then pairwise: $3 tenants, $4 meters, $5 engaged, $6 changes, $7 budget ids, $8 limits in the
-- meter's unit, $9 instants at which to look again
-- Lock order: by key
INSERT INTO alert_throttle AS t (
    tenant, meter, engaged, changes, budget_id, limit_amount, ends_at, partition, updated_at
)
SELECT s.tenant, s.meter, s.engaged, s.changes, s.budget_id, s.limit_amount, s.ends_at, $1::smallint, $2
FROM unnest($3::text[], $4::text[], $5::boolean[], $6::integer[], $7::text[], $8::bigint[], $9::timestamptz[])
    AS s (tenant, meter, engaged, changes, budget_id, limit_amount, ends_at)
ORDER BY s.tenant, s.meter
ON CONFLICT (tenant, meter) DO UPDATE SET
    engaged = excluded.engaged,
    changes = excluded.changes,
    budget_id = excluded.budget_id,
    limit_amount = excluded.limit_amount,
    ends_at = excluded.ends_at,
    partition = excluded.partition,
    updated_at = excluded.updated_at
