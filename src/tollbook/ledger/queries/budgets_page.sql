-- Budgets in force, everyone's first, in pages by key.
-- $1 whether only some tenants are asked for, $2 these ('' for everyone), $3 and $4 the last key of the page before,
-- $5 rows at most
-- Rows: the columns of a budget, then version, updated_at, updated_by. Index: budget_pkey
SELECT
    b.tenant, b.id, b.scope, b.match, b.window_kind, b.unit, b.limit_amount, b.thresholds, b.action, b.degrade_to, b.mode,
    b.fail, b.expires_at, b.version, b.updated_at, b.updated_by
FROM budget b
WHERE (NOT $1::boolean OR b.tenant = ANY($2::text[])) AND (b.tenant, b.id) > ($3::text, $4::text)
ORDER BY b.tenant, b.id
LIMIT $5
