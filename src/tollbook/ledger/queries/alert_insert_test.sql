-- Keeps an alert for one hook only.
-- $1 hook id, $2 kind, $3 crossing, $4 mark, $5 text, $6 facts as JSON, $7 now, $8 when it is due
-- Rows: alert_id; none where there is no such hook in use
WITH raised AS (
    INSERT INTO alert (kind, tenant, crossing, mark, text, facts, raised_at)
    SELECT $2, h.tenant, $3, $4, $5, $6::text::jsonb, $7 FROM alert_hook h WHERE h.hook_id = $1 AND h.disabled IS NULL
    RETURNING alert_id
)
INSERT INTO alert_delivery (alert_id, hook_id, next_at)
SELECT r.alert_id, $1, $8 FROM raised r
RETURNING alert_id
