-- The settled totals of given meters; one in which nothing is booked has no row.
-- $1 tenants, $2 meters, pairwise
-- Rows: tenant, meter, total, until_ms. Index: meter_total_pkey
SELECT m.tenant, m.meter, m.total, m.until_ms
FROM unnest($1::text[], $2::text[]) AS asked (tenant, meter)
JOIN meter_total m ON m.tenant = asked.tenant AND m.meter = asked.meter
ORDER BY m.tenant, m.meter
