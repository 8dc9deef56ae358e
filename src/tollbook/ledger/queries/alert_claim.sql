-- Claims due deliveries for one attempt each; whoever dies with them leaves them due again at the end of the lease.
-- $1 now, $2 end of the lease, $3 hooks to leave alone, $4 deliveries a hook at most, $5 deliveries at most
-- Rows: alert_id, hook_id, attempts, url, secret, kind, raised_at, text, facts. Lock order: none is waited for.
-- Index: alert_delivery_due
WITH due AS MATERIALIZED (
    SELECT w.alert_id, w.hook_id
    FROM alert_hook h
    CROSS JOIN LATERAL (
        SELECT d.alert_id, d.hook_id
        FROM alert_delivery d
        WHERE d.hook_id = h.hook_id AND d.state = 'pending' AND d.next_at <= $1
        ORDER BY d.next_at
        LIMIT $4
        FOR UPDATE SKIP LOCKED
    ) AS w
    WHERE h.disabled IS NULL AND h.hook_id <> ALL($3::text[])
    LIMIT $5
), claimed AS (
    UPDATE alert_delivery d SET attempts = d.attempts + 1, next_at = $2
    FROM due w
    WHERE d.alert_id = w.alert_id AND d.hook_id = w.hook_id
    RETURNING d.alert_id, d.hook_id, d.attempts
)
SELECT c.alert_id, c.hook_id, c.attempts, h.url, h.secret, a.kind, a.raised_at, a.text, a.facts
FROM claimed c
JOIN alert a ON a.alert_id = c.alert_id
JOIN alert_hook h ON h.hook_id = c.hook_id
ORDER BY a.raised_at, a.alert_id
