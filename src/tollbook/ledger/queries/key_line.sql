-- A key in force and those above it, the nearest first.
-- $1 key id
-- Rows: key_id, role, tenant, note, created_at, revoked_at, parent, agent, run, expires_at. Index: api_key_pkey
WITH RECURSIVE line AS (
    SELECT k.key_id, k.parent, 0 AS steps FROM api_key k WHERE k.key_id = $1 AND k.revoked_at IS NULL
    UNION ALL
    SELECT k.key_id, k.parent, l.steps + 1 FROM line l JOIN api_key k ON k.key_id = l.parent
)
SELECT
    k.key_id, k.role, k.tenant, k.note, k.created_at, k.revoked_at, k.parent, k.agent, k.run, k.expires_at
FROM line l
JOIN api_key k ON k.key_id = l.key_id
ORDER BY l.steps
