-- Revokes a webhook token in force.
-- $1 token id
UPDATE webhook_token SET revoked_at = now() WHERE token_id = $1 AND revoked_at IS NULL
