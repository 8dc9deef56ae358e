-- Every total of a partition whose window ends after an instant, in pages by key.
-- $1 partition, $2 instant, $3 and $4 the last tenant and day of the page before, $5 rows at most
-- Rows: tenant, meter, total, unpriced_nanos, day. Index: daily_spend_open or daily_spend_pkey
SELECT
    d.tenant_id AS tenant, 'day:' || to_char(d.day, 'YYYY-MM-DD') AS meter, d.cost_nanos AS total, d.unpriced_nanos,
    d.day
FROM daily_spend d
WHERE d.partition = $1 AND d.window_end > $2 AND (d.tenant_id, d.day) > ($3::text, $4::date)
ORDER BY d.tenant_id, d.day
LIMIT $5
