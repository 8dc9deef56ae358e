-- Sets a daily limit.
-- $1 tenant ('' for the default), $2 nano-dollars, $3 version of the change, $4 who
INSERT INTO budget (tenant, limit_nanos, version, updated_by) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant) DO UPDATE SET
    limit_nanos = excluded.limit_nanos,
    version = excluded.version,
    updated_at = now(),
    updated_by = excluded.updated_by
