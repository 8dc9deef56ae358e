-- Every daily limit, everyone's ('') first.
-- Rows: the columns of a budget, then version, updated_at, updated_by
SELECT
    b.tenant, b.id, b.scope, b.match, b.window_kind, b.unit, b.limit_amount, b.thresholds, b.action, b.degrade_to, b.mode,
    b.fail, b.expires_at, b.version, b.updated_at, b.updated_by
FROM budget b
WHERE b.id = 'daily'
ORDER BY b.tenant
