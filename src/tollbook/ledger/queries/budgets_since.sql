-- The budgets of each owner of whose some changed after a version; an owner without any has one row with a null id.
-- $1 version, 0 for all
-- Rows: owner ('' is everyone), changed (version of the newest change), then the columns of a budget.
-- Index: budget_change_pkey, budget_pkey
SELECT
    o.tenant AS owner, o.version AS changed, b.tenant, b.id, b.scope, b.match, b.window_kind, b.unit, b.limit_amount,
    b.thresholds, b.action, b.degrade_to, b.mode, b.fail, b.expires_at
FROM (
    SELECT c.tenant, max(c.version) AS version FROM budget_change c WHERE c.version > $1 GROUP BY c.tenant
) AS o
LEFT JOIN budget b ON b.tenant = o.tenant
ORDER BY o.tenant, b.id
