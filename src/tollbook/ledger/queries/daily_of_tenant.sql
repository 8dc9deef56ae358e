-- The daily limit in force for a tenant: its own, or everyone's ('').
-- $1 tenant
-- Rows: the columns of a budget, then version, updated_at, updated_by. Index: budget_pkey
SELECT
    b.tenant, b.id, b.scope, b.match, b.window_kind, b.unit, b.limit_amount, b.thresholds, b.action, b.degrade_to, b.mode,
    b.fail, b.expires_at, b.version, b.updated_at, b.updated_by
FROM budget b
WHERE b.tenant IN ($1, '') AND b.id = 'daily'
ORDER BY b.tenant DESC
LIMIT 1
