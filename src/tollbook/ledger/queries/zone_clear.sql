-- Forgets a tenant's zones before new ones are written in the same transaction.
-- $1 tenant
DELETE FROM tenant_zone WHERE tenant = $1
