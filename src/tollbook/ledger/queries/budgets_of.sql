-- Some budgets of some owners.
-- $1 tenants ('' for everyone) and $2 ids, pairwise
-- Rows: the columns of a budget, then version, updated_at, updated_by. Index: budget_pkey
SELECT
    b.tenant, b.id, b.scope, b.match, b.window_kind, b.unit, b.limit_amount, b.thresholds, b.action, b.degrade_to, b.mode,
    b.fail, b.expires_at, b.version, b.updated_at, b.updated_by
FROM unnest($1::text[], $2::text[]) AS asked (tenant, id)
JOIN budget b ON b.tenant = asked.tenant AND b.id = asked.id
ORDER BY b.tenant, b.id
