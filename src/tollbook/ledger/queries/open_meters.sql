-- The totals of meters that a rebuild restores: windows of a partition that close after $2, in pages by key. Runs are
-- not among them: theirs are read one by one where they are asked for.
-- $1 partition, $2 milliseconds since 1970, $3 and $4 the last key of the page before, $5 rows at most
-- Rows: tenant, meter, total, until_ms. Index: meter_total_open or meter_total_pkey
SELECT m.tenant, m.meter, m.total, m.until_ms
FROM meter_total m
WHERE m.partition = $1 AND m.until_ms > $2 AND m.until_ms > 0 AND (m.tenant, m.meter) > ($3::text, $4::text)
ORDER BY m.tenant, m.meter
LIMIT $5
