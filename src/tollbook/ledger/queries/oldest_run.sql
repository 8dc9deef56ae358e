-- When the oldest run began that something touched since an instant.
-- $1 instant
-- Rows: first_ts, null where there is none
SELECT min(r.first_ts) AS first_ts FROM run_total r WHERE r.last_ts >= $1
