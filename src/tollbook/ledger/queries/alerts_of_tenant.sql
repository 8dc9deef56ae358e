-- One tenant's alerts, newest first, behind a place in that order.
-- $1 raised_at and $2 id of the last alert already shown, $3 alerts at most, $4 tenant
-- Rows: alert_id, raised_at, kind, tenant, text, facts. Index: alert_newest_of
SELECT a.alert_id, a.raised_at, a.kind, a.tenant, a.text, a.facts
FROM alert a
WHERE a.tenant = $4 AND (a.raised_at, a.alert_id) < ($1::timestamptz, $2::uuid)
ORDER BY a.raised_at DESC, a.alert_id DESC
LIMIT $3
