-- Claims a partition for this session.
-- $1 partition
-- Rows: whether it is claimed
SELECT pg_try_advisory_lock(7011, $1::integer)
