-- Forgets old alerts; their deliveries go with them.
-- $1 instant before which they were raised, $2 alerts at most
-- Index: alert_newest
DELETE FROM alert WHERE alert_id IN (
    SELECT a.alert_id FROM alert a WHERE a.raised_at < $1 ORDER BY a.raised_at LIMIT $2
)
