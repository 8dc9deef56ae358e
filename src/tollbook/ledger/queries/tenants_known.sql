-- Tenants of which anything is booked or set, by name.
-- $1 name behind which to begin, $2 tenants at most
-- Rows: tenant. Index: daily_spend_pkey (one descent a tenant)
WITH RECURSIVE named AS (
    (SELECT d.tenant_id FROM daily_spend d WHERE d.tenant_id > $1 ORDER BY d.tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT d.tenant_id FROM daily_spend d WHERE d.tenant_id > n.tenant_id ORDER BY d.tenant_id LIMIT 1)
    FROM named n
    WHERE n.tenant_id IS NOT NULL
)
SELECT n.tenant_id AS tenant FROM named n WHERE n.tenant_id IS NOT NULL LIMIT $2
