-- Revokes a key in force and every key in force below it.
-- $1 key id
-- Rows: key_id, tenant of each key revoked. Index: api_key_pkey, api_key_parent
WITH RECURSIVE below AS (
    SELECT k.key_id FROM api_key k WHERE k.key_id = $1 AND k.revoked_at IS NULL
    UNION
    SELECT k.key_id FROM below b JOIN api_key k ON k.parent = b.key_id
)
UPDATE api_key k SET revoked_at = now()
FROM below b
WHERE k.key_id = b.key_id AND k.revoked_at IS NULL
RETURNING k.key_id, k.tenant
