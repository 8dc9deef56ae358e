-- Keys in force; whose end has come is for the reader to tell.
-- Rows: key_id, secret_hash, role, tenant, agent, run, expires_at
SELECT key_id, secret_hash, role, tenant, agent, run, expires_at FROM api_key WHERE revoked_at IS NULL
