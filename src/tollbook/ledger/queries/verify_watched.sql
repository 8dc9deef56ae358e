-- Whose throttle flag another budget than the daily limit may raise: tenants, '' for everyone.
-- Rows: tenant. Index: budget_scope
SELECT DISTINCT b.tenant FROM budget b WHERE b.scope = 'tenant' AND b.id <> 'daily'
