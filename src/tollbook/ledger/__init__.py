"""The ledger's truth, in Postgres."""
