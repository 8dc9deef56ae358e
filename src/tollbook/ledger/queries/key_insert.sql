-- Keeps a key by the hash of its secret.
-- $1 key id, $2 SHA-256 of the secret, $3 role, $4 tenant or null, $5 note, $6 the key that made it or null, and what it is
-- bound to: $7 subtree of agents or null, $8 run or null, $9 end or null
INSERT INTO api_key (key_id, secret_hash, role, tenant, note, parent, agent, run, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
