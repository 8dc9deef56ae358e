-- How large the database is.
-- Rows: one number of bytes
SELECT pg_database_size(current_database())
