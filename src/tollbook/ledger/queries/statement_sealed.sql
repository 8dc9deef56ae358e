-- A closed statement as it was kept.
-- $1 tenant, $2 the period's first day
-- Rows: one or none: close_id, zone, starts_at, ends_at, entries, first_ts, last_ts, lines, digest
-- Index: closed_statement_pkey
SELECT s.close_id, s.zone, s.starts_at, s.ends_at, s.entries, s.first_ts, s.last_ts, s.lines, s.digest
FROM closed_statement s
WHERE s.tenant = $1 AND s.period = $2
