-- Revokes a key in force.
-- $1 key id
UPDATE api_key SET revoked_at = now() WHERE key_id = $1 AND revoked_at IS NULL
