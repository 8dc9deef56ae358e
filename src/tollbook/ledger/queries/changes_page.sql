-- What was changed, newest first, behind a change.
-- $1 change id of the place, $2 changes at most, $3 tenant ('': everyone's; null: all), $4 kind or null for all
-- Rows: the columns of ports.changes.Change in its order. Index: admin_change_pkey, admin_change_of, admin_change_kind
SELECT c.change_id, c.changed_at, c.changed_by, c.kind, c.action, c.tenant, c.name, c.before, c.after
FROM admin_change c
WHERE c.change_id < $1 AND ($3::text IS NULL OR c.tenant = $3) AND ($4::text IS NULL OR c.kind = $4)
ORDER BY c.change_id DESC
LIMIT $2
