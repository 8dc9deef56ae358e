-- Tenants with something in a closed period's statement that is not kept yet: those with days of the period, or with earlier
-- days that were touched behind the close before.
-- $1 the period's first day, $2 its last, $3 tenant ('' is everyone), $4 tenant behind which to go on, $5 tenants at most
-- Rows: tenant_id. Index: closed_statement_pkey, daily_spend_pkey
SELECT d.tenant_id
FROM daily_spend d
WHERE ($3 = '' OR d.tenant_id = $3) AND d.tenant_id > $4 AND d.day <= $2::date
    AND NOT EXISTS (SELECT FROM closed_statement s WHERE s.tenant = d.tenant_id AND s.period = $1::date)
    AND (d.day >= $1::date OR d.version > (
        SELECT coalesce(c.versions[d.partition + 1], 0)
        FROM period_close c
        WHERE c.tenant IN (d.tenant_id, '') AND c.period >= ($1::date - interval '1 month')::date
        ORDER BY c.close_id
        LIMIT 1
    ))
GROUP BY d.tenant_id
ORDER BY d.tenant_id
LIMIT $5
