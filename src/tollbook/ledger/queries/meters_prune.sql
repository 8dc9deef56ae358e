-- Forgets totals of a partition whose window closed before $2, and of runs that nothing touched since $3. A row that a
-- transaction is just changing is left for the next time.
-- $1 partition, $2 milliseconds since 1970, $3 instant, $4 rows at most
-- Index: meter_total_open
DELETE FROM meter_total m
USING (
    SELECT tenant, meter
    FROM meter_total
    WHERE partition = $1 AND (until_ms BETWEEN 1 AND $2::bigint - 1 OR (until_ms = 0 AND touched_at < $3))
    ORDER BY until_ms
    LIMIT $4
    FOR UPDATE SKIP LOCKED
) AS old
WHERE m.tenant = old.tenant AND m.meter = old.meter
