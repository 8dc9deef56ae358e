-- The daily limits of some tenants, everyone's among them.
-- $1 tenants
-- Rows: tenant ('' is everyone), limit_nanos. Index: budget_pkey
SELECT tenant, limit_nanos FROM budget WHERE tenant = '' OR tenant = ANY($1::text[])
