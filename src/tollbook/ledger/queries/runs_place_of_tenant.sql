-- The last of so many rows of a tenant's runs behind a place: what a page has looked at.
-- $1 first_ts, $2 run and $3 tenant of the place, $4 rows looked at, $5 first instant, $6 tenant
-- Rows: first_ts, run, tenant; none where fewer are left. Index: run_started_of
SELECT r.first_ts, r.run, r.tenant
FROM run_total r
WHERE r.tenant = $6 AND (r.first_ts, r.run, r.tenant) < ($1::timestamptz, $2::text, $3::text)
    AND r.first_ts >= $5::timestamptz
ORDER BY r.first_ts DESC, r.run DESC
OFFSET $4::integer - 1
LIMIT 1
