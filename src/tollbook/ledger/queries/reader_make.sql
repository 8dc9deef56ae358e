-- Makes a role that may read daily_spend and nothing else.
-- $1 name, $2 password
-- Rows: one, without content
SELECT ledger_make_reader($1, $2)
