-- Every hook, newest first, without secrets.
-- Rows: hook_id, tenant, url, kinds, created_at, created_by, disabled
SELECT hook_id, tenant, url, kinds, created_at, created_by, disabled FROM alert_hook ORDER BY created_at DESC, hook_id
