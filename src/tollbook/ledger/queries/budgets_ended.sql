-- Budgets whose end has come.
-- $1 instant, $2 rows at most
-- Rows: tenant, id. Index: budget_ends
SELECT b.tenant, b.id FROM budget b WHERE b.expires_at <= $1 ORDER BY b.expires_at LIMIT $2
