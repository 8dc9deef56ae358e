-- One migrating process at a time; the lock ends with the session.
-- Rows: none of use
SELECT pg_advisory_lock(7011000)
