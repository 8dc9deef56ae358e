-- Keeps a hook.
-- $1 hook id, $2 tenant ('' for all), $3 URL, $4 secret, $5 kinds, $6 now, $7 who
INSERT INTO alert_hook (hook_id, tenant, url, secret, kinds, created_at, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7)
