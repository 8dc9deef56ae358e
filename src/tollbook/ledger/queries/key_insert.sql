-- Keeps a key by the hash of its secret.
-- $1 key id, $2 SHA-256 of the secret, $3 role, $4 tenant or null, $5 note
INSERT INTO api_key (key_id, secret_hash, role, tenant, note) VALUES ($1, $2, $3, $4, $5)
