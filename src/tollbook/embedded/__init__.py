"""Real Postgres and real Valkey from wheels: the default install and the servers of the tests."""
