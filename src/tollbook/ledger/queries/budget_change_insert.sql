-- Keeps who changed a limit and when; null is a removal.
-- $1 version, $2 tenant ('' for the default), $3 nano-dollars or null, $4 who
INSERT INTO budget_change (version, tenant, limit_nanos, changed_by) VALUES ($1, $2, $3, $4)
