-- Closes with what is kept of their statements, newest period first.
-- $1 tenant whose closes and everyone's are asked for (null: all)
-- Rows: close_id, period, tenant, versions, closed_at, closed_by, statements, cost_nanos. Index: closed_statement_close
SELECT
    c.close_id, c.period, c.tenant, c.versions, c.closed_at, c.closed_by, k.statements, k.cost_nanos
FROM period_close c
CROSS JOIN LATERAL (
    SELECT count(*) AS statements, coalesce(sum(s.cost_nanos), 0) AS cost_nanos
    FROM closed_statement s
    WHERE s.close_id = c.close_id AND s.period = c.period AND ($1::text IS NULL OR s.tenant = $1)
) AS k
WHERE $1::text IS NULL OR c.tenant IN ($1, '')
ORDER BY c.period DESC, c.close_id DESC
