-- The totals of tenants whose own budgets changed, of windows that end after an instant: their days in dollars, and of the
-- other meters those that a changed budget names.
-- $1 partition, $2 tenants, $3 instant, $4 configuration version looked at
-- Rows: tenant, meter, total, unpriced_nanos. Index: daily_spend_pkey, budget_change_pkey, meter_total_pkey
SELECT d.tenant_id AS tenant, 'day:' || to_char(d.day, 'YYYY-MM-DD') AS meter, d.cost_nanos AS total, d.unpriced_nanos
FROM daily_spend d
WHERE d.tenant_id = ANY($2::text[]) AND d.partition = $1 AND d.window_end > $3
UNION ALL
SELECT DISTINCT m.tenant, m.meter, m.total, 0::bigint
FROM (SELECT DISTINCT h.tenant, h.id FROM budget_change h WHERE h.version > $4 AND h.tenant <> '') AS c
JOIN budget b ON b.tenant = c.tenant AND b.id = c.id AND b.id <> 'daily'
JOIN meter_total m
    ON m.tenant = b.tenant AND starts_with(m.meter, b.unit || '|' || b.window_kind || ':')
    AND CASE
        WHEN b.match LIKE '%*' THEN strpos(m.meter, '|' || b.scope || '|' || rtrim(b.match, '*')) > 0
        ELSE right(m.meter, length(b.scope || b.match) + 2) = '|' || b.scope || '|' || b.match
    END
WHERE m.partition = $1 AND (m.until_ms = 0 OR m.until_ms > extract(epoch FROM $3::timestamptz) * 1000)
