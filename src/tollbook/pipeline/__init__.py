"""Use cases over ports: accept what is reported, drain it into the ledger."""
