-- The settled totals of given meters of a tenant.
-- $1 tenant, $2 meters
-- Rows: meter, total. Index: meter_total_pkey
SELECT m.meter, m.total FROM meter_total m WHERE m.tenant = $1 AND m.meter = ANY($2::text[])
