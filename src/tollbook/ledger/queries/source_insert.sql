-- Keeps a source; does nothing where another has its name.
-- $1 id, $2 kind, $3 name, $4 base, $5 token, $6 bearer or null, $7 tenant or null, $8 requests stored, $9 now
INSERT INTO source (source_id, kind, name, base, token, bearer, tenant, stored_max, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (name) DO NOTHING
