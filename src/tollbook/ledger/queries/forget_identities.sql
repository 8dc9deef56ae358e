-- Drops identity generations that ended more than $2 before $1.
-- $1 instant, $2 interval
-- Rows: how many were dropped
SELECT ledger_forget_identities($1::timestamptz, $2::interval)
