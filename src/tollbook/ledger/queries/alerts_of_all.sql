-- Alerts, newest first, behind a place in that order.
-- $1 raised_at and $2 id of the last alert already shown, $3 alerts at most
-- Rows: alert_id, raised_at, kind, tenant, text, facts. Index: alert_newest
SELECT a.alert_id, a.raised_at, a.kind, a.tenant, a.text, a.facts
FROM alert a
WHERE (a.raised_at, a.alert_id) < ($1::timestamptz, $2::uuid)
ORDER BY a.raised_at DESC, a.alert_id DESC
LIMIT $3
