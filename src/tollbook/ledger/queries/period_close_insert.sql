-- Closes a period at the versions that are committed now. No partition is locked: what commits later has a higher version.
-- $1 tenant ('' is everyone), $2 the period's first day, $3 the instant, $4 who
-- Rows: close_id, period, tenant, versions, closed_at, closed_by. Lock order: behind period_close_lock
INSERT INTO period_close (tenant, period, versions, closed_at, closed_by)
SELECT $1, $2, array_agg(p.version ORDER BY p.partition), $3, $4
FROM partition p
RETURNING close_id, period, tenant, versions, closed_at, closed_by
