"""Pure words of the ledger: money, usage, events, windows, budgets, errors, limits."""
