-- Forgets throttles that ended long ago.
-- $1 instant since which nothing happened to them
DELETE FROM alert_throttle WHERE NOT engaged AND updated_at < $1
