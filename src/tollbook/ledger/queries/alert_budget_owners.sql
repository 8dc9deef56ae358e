-- Whose budgets changed after a version.
-- $1 configuration version
-- Rows: tenant ('' is everyone). Index: budget_change_pkey
SELECT DISTINCT tenant FROM budget_change WHERE version > $1
