-- Creates or replaces a budget.
-- $1 tenant ('' for everyone), $2 id, $3 scope, $4 match, $5 kind of window, $6 unit, $7 limit in the unit, $8 thresholds in
-- per cent, $9 action, $10 model to degrade to or null, $11 mode or null, $12 fail or null, $13 end or null, $14 version of
-- the change, $15 who
INSERT INTO budget (
    tenant, id, scope, match, window_kind, unit, limit_amount, thresholds, action, degrade_to, mode, fail, expires_at,
    version, updated_by
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (tenant, id) DO UPDATE SET
    scope = excluded.scope,
    match = excluded.match,
    window_kind = excluded.window_kind,
    unit = excluded.unit,
    limit_amount = excluded.limit_amount,
    thresholds = excluded.thresholds,
    action = excluded.action,
    degrade_to = excluded.degrade_to,
    mode = excluded.mode,
    fail = excluded.fail,
    expires_at = excluded.expires_at,
    version = excluded.version,
    updated_at = now(),
    updated_by = excluded.updated_by
