-- Forgets a hook; its deliveries go with it.
-- $1 hook id
DELETE FROM alert_hook WHERE hook_id = $1
