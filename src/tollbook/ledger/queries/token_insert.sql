-- Keeps a webhook token by its hash.
-- $1 token id, $2 SHA-256 of the token, $3 source, $4 tenant or null
INSERT INTO webhook_token (token_id, token_hash, source, tenant) VALUES ($1, $2, $3, $4)
