-- Gives a partition a cursor that has looked at nothing.
-- $1 partition
INSERT INTO alert_cursor (partition) VALUES ($1) ON CONFLICT DO NOTHING
