-- Every tenant's zones, oldest first.
-- Rows: tenant, first_day, zone
SELECT tenant, first_day, zone FROM tenant_zone ORDER BY tenant, first_day
