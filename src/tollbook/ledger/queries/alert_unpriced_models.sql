-- The models that were billed at the ceiling in given days.
-- $1 tenants, $2 days, pairwise
-- Rows: tenant, day, model. Index: rollup_hour_pkey
SELECT DISTINCT r.tenant, r.day, r.model
FROM unnest($1::text[], $2::date[]) AS c (tenant, day)
JOIN rollup_hour r ON r.tenant = c.tenant AND r.day = c.day
WHERE r.unpriced_nanos > 0
ORDER BY r.tenant, r.day, r.model
