-- The close behind which a tenant's statement of a period begins, and the one at which it ends: the first that closed the
-- period before and the period itself, for the tenant or for everyone.
-- $1 tenant, $2 the period's first day
-- Rows: which ('before' or 'own'), close_id, period, tenant, versions, closed_at, closed_by; none of a period that is open
-- Index: none, there are a few closes a month
(
    SELECT 'before' AS which, c.close_id, c.period, c.tenant, c.versions, c.closed_at, c.closed_by
    FROM period_close c
    WHERE c.tenant IN ($1, '') AND c.period >= ($2::date - interval '1 month')::date
    ORDER BY c.close_id
    LIMIT 1
)
UNION ALL
(
    SELECT 'own', c.close_id, c.period, c.tenant, c.versions, c.closed_at, c.closed_by
    FROM period_close c
    WHERE c.tenant IN ($1, '') AND c.period >= $2::date
    ORDER BY c.close_id
    LIMIT 1
)
