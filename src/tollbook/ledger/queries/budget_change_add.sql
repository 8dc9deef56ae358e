-- Keeps a change of a budget whole, with who made it.
-- $1 version of the change, $2 tenant ('' for everyone), $3 id, $4 the budget as JSON or null for a removal, $5 who
INSERT INTO budget_change (version, tenant, id, terms, changed_by) VALUES ($1, $2, $3, $4, $5)
