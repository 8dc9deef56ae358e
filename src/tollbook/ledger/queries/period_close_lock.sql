-- Closes take turns, so that their order is that of the versions they read.
-- Rows: one, nothing
SELECT pg_advisory_xact_lock(7011011)
