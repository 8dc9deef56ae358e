-- Writes one zone span of a tenant; nothing where it stands so already.
-- $1 tenant, $2 first local day, $3 IANA zone
INSERT INTO tenant_zone AS z (tenant, first_day, zone) VALUES ($1, $2, $3)
ON CONFLICT (tenant, first_day) DO UPDATE SET zone = excluded.zone WHERE z.zone <> excluded.zone
