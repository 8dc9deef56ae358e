-- Keys in force.
-- Rows: key_id, secret_hash, role, tenant
SELECT key_id, secret_hash, role, tenant FROM api_key WHERE revoked_at IS NULL
