"""Statements: what a tenant is billed for a month, and when the month is closed."""
