-- Webhook tokens in force.
-- Rows: token_id, token_hash, source, tenant
SELECT token_id, token_hash, source, tenant FROM webhook_token WHERE revoked_at IS NULL
