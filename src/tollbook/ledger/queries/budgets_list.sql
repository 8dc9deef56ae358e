-- Every daily limit in force, the default ('') first.
-- Rows: tenant, limit_nanos, version, updated_at, updated_by
SELECT tenant, limit_nanos, version, updated_at, updated_by FROM budget ORDER BY tenant
