-- One migrating process at a time; the lock ends with the session.
-- Rows: one, without content
SELECT pg_advisory_lock(7011000)
