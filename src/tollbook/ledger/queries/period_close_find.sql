-- The close that a period has for a tenant, or for everyone ($1 ''): the first of it or of a later one.
-- $1 tenant, $2 the period's first day
-- Rows: one or none: close_id, period, tenant, versions, closed_at, closed_by. Index: none, there are a few closes a month
SELECT c.close_id, c.period, c.tenant, c.versions, c.closed_at, c.closed_by
FROM period_close c
WHERE c.tenant IN ($1, '') AND c.period >= $2
ORDER BY c.close_id
LIMIT 1
