-- Marks what came of an attempt, unless another worker has claimed the delivery since.
-- $1 alert id, $2 hook id, $3 attempts as claimed, $4 state, $5 HTTP status or null, $6 detail, $7 now, $8 when it is due
-- again (told of pending ones only)
-- Index: alert_delivery_pkey
UPDATE alert_delivery
SET state = $4, status = $5, detail = $6, marked_at = $7, next_at = $8
WHERE alert_id = $1 AND hook_id = $2 AND attempts = $3 AND state = 'pending'
