-- Writes one zone span of a tenant.
-- $1 tenant, $2 first local day, $3 IANA zone
INSERT INTO tenant_zone (tenant, first_day, zone) VALUES ($1, $2, $3)
