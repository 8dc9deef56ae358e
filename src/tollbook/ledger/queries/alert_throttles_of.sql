-- The throttle states of given meters.
-- $1 tenants, $2 meters, pairwise
-- Rows: tenant, meter, engaged, changes, budget_id, limit_amount, ends_at. Index: alert_throttle_pkey
SELECT t.tenant, t.meter, t.engaged, t.changes, t.budget_id, t.limit_amount, t.ends_at
FROM unnest($1::text[], $2::text[]) AS c (tenant, meter)
JOIN alert_throttle t ON t.tenant = c.tenant AND t.meter = c.meter
