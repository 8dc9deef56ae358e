-- Removes a tenant's own limit, so that the default holds again.
-- $1 tenant
DELETE FROM budget WHERE tenant = $1
