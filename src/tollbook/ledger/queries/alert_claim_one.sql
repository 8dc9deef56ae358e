-- Claims one delivery, due or not.
-- $1 alert id, $2 hook id, $3 end of the lease
-- Rows: alert_id, hook_id, attempts, url, secret, kind, raised_at, text, facts; none where it is not pending.
-- Index: alert_delivery_pkey
WITH claimed AS (
    UPDATE alert_delivery d SET attempts = d.attempts + 1, next_at = $3
    WHERE d.alert_id = $1 AND d.hook_id = $2 AND d.state = 'pending'
    RETURNING d.alert_id, d.hook_id, d.attempts
)
SELECT c.alert_id, c.hook_id, c.attempts, h.url, h.secret, a.kind, a.raised_at, a.text, a.facts
FROM claimed c
JOIN alert a ON a.alert_id = c.alert_id
JOIN alert_hook h ON h.hook_id = c.hook_id
