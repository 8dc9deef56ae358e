-- The deliveries of some alerts.
-- $1 alert ids
-- Rows: alert_id, hook_id, state, attempts, next_at (null unless pending), status, detail, marked_at.
-- Index: alert_delivery_pkey
SELECT
    d.alert_id, d.hook_id, d.state, d.attempts, CASE WHEN d.state = 'pending' THEN d.next_at END AS next_at, d.status,
    d.detail, d.marked_at
FROM alert_delivery d
WHERE d.alert_id = ANY($1::uuid[])
ORDER BY d.alert_id, d.hook_id
