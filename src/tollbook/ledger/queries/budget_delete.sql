-- Removes a budget.
-- $1 tenant ('' for everyone), $2 id
DELETE FROM budget WHERE tenant = $1 AND id = $2
