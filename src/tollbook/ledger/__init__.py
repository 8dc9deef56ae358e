"""Postgres: the store, its queries and its migrations."""
