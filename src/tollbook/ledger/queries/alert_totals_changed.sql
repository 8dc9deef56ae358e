-- The totals that changed in versions after $2, as of now. Of the days in dollars only those that may give rise to
-- something: a share of the limit is reached, calls without a price are in them, or their throttle stands.
-- $1 partition, $2 version looked at, $3 the share of a limit, per mille, from which on its pace may matter
-- Rows: tenant, meter, total, unpriced_nanos.
-- Index: ledger_batch_pkey, daily_spend_pkey, budget_pkey, alert_throttle_pkey, meter_total_pkey
WITH ring AS MATERIALIZED (
    SELECT b.limit_amount / 1000 * least($3::bigint, (SELECT min(t) * 10 FROM unnest(b.thresholds) AS t)) AS everyone
    FROM budget b
    WHERE b.tenant = '' AND b.id = 'daily'
)
SELECT d.tenant_id AS tenant, 'day:' || to_char(d.day, 'YYYY-MM-DD') AS meter, d.cost_nanos AS total, d.unpriced_nanos
FROM (
    SELECT DISTINCT changed.tenant, changed.day
    FROM ledger_batch b
    CROSS JOIN LATERAL unnest(b.tenants, b.days) AS changed (tenant, day)
    WHERE b.partition = $1 AND b.version > $2
) AS c
JOIN daily_spend d ON d.tenant_id = c.tenant AND d.day = c.day
LEFT JOIN budget o ON o.tenant = d.tenant_id AND o.id = 'daily'
WHERE d.unpriced_nanos > 0
    OR d.cost_nanos >= least(
        (SELECT r.everyone FROM ring r),
        o.limit_amount / 1000 * least($3::bigint, (SELECT min(t) * 10 FROM unnest(o.thresholds) AS t))
    )
    OR EXISTS (
        SELECT FROM alert_throttle t
        WHERE t.tenant = d.tenant_id AND t.meter = 'day:' || to_char(d.day, 'YYYY-MM-DD') AND t.engaged
    )
UNION ALL
SELECT m.tenant, m.meter, m.total, 0
FROM (
    SELECT DISTINCT changed.tenant, changed.meter
    FROM ledger_batch b
    CROSS JOIN LATERAL unnest(b.meter_tenants, b.meters) AS changed (tenant, meter)
    WHERE b.partition = $1 AND b.version > $2
) AS c
JOIN meter_total m ON m.tenant = c.tenant AND m.meter = c.meter
