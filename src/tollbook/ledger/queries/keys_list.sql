-- Every key, newest first.
-- Rows: key_id, role, tenant, note, created_at, revoked_at, parent, agent, run, expires_at
SELECT key_id, role, tenant, note, created_at, revoked_at, parent, agent, run, expires_at
FROM api_key
ORDER BY created_at DESC, key_id
