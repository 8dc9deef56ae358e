-- Limits in force that changed after a version; a removed one has no amount.
-- $1 version
-- Rows: tenant ('' for the default), limit_nanos, version
SELECT DISTINCT ON (tenant) tenant, limit_nanos, version
FROM budget_change
WHERE version > $1
ORDER BY tenant, version DESC
