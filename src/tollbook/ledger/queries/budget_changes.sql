-- What became of a budget, newest first.
-- $1 tenant ('' for everyone), $2 id, $3 changes at most
-- Rows: version, terms, changed_at, changed_by. Index: budget_change_of
SELECT c.version, c.terms, c.changed_at, c.changed_by
FROM budget_change c
WHERE c.tenant = $1 AND c.id = $2
ORDER BY c.version DESC
LIMIT $3
