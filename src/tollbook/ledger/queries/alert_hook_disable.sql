-- Sends a hook nothing any more.
-- $1 hook id, $2 why
UPDATE alert_hook SET disabled = $2 WHERE hook_id = $1 AND disabled IS NULL
