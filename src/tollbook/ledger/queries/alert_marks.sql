-- The highest mark of each crossing that has an alert.
-- $1 crossings
-- Rows: crossing, mark. Index: alert_once
SELECT a.crossing, max(a.mark) AS mark FROM alert a WHERE a.crossing = ANY($1::uuid[]) GROUP BY a.crossing
