-- What some tenants' days have come to since an hour.
-- $1 tenants, $2 days, pairwise; $3 start of the first UTC hour
-- Rows: tenant, cost_nanos. Index: rollup_hour_pkey (one descent a tenant)
SELECT asked.tenant, sum(r.cost_nanos)::bigint AS cost_nanos
FROM unnest($1::text[], $2::date[]) AS asked (tenant, day)
JOIN rollup_hour r ON r.day = asked.day AND r.tenant = asked.tenant AND r.hour >= $3
GROUP BY asked.tenant
