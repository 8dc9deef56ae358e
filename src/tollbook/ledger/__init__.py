<<<<<<< HEAD
"""The ledger's truth, in Postgres."""
=======
"""Postgres: the store, its queries and its migrations."""
>>>>>>> scaffold
