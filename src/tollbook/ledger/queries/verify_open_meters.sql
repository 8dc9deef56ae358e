-- The meters of a partition whose window is open; runs are not among them.
-- $1 partition, $2 milliseconds since 1970
-- Rows: tenant, meter. Index: meter_total_open
SELECT m.tenant, m.meter FROM meter_total m WHERE m.partition = $1 AND m.until_ms > $2 AND m.until_ms > 0
