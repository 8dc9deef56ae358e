-- The daily limit in force for a tenant: its own, or everyone's default ('').
-- $1 tenant
-- Rows: tenant, limit_nanos, version, updated_at, updated_by. Index: budget_pkey
SELECT b.tenant, b.limit_nanos, b.version, b.updated_at, b.updated_by
FROM budget b
WHERE b.tenant IN ($1, '')
ORDER BY b.tenant DESC
LIMIT 1
