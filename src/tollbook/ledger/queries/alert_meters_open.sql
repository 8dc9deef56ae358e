-- Every total of a partition's meters whose window ends after an instant or never, in pages by key.
-- $1 partition, $2 instant, $3 and $4 the last tenant and meter of the page before, $5 rows at most
-- Rows: tenant, meter, total, unpriced_nanos. Index: meter_total_pkey
SELECT m.tenant, m.meter, m.total, 0 AS unpriced_nanos
FROM meter_total m
WHERE m.partition = $1 AND (m.until_ms = 0 OR m.until_ms > extract(epoch FROM $2::timestamptz) * 1000)
    AND (m.tenant, m.meter) > ($3::text, $4::text)
ORDER BY m.tenant, m.meter
LIMIT $5
