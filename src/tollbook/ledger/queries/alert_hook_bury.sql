-- Gives up what waits for a hook.
-- $1 hook id, $2 why, $3 now
-- Index: alert_delivery_due
UPDATE alert_delivery SET state = 'dead', detail = $2, marked_at = $3 WHERE hook_id = $1 AND state = 'pending'
