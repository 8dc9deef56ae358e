-- Every webhook token, newest first.
-- Rows: token_id, source, tenant, created_at, revoked_at
SELECT token_id, source, tenant, created_at, revoked_at FROM webhook_token ORDER BY created_at DESC, token_id
