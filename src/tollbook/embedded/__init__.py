"""Real PostgreSQL and real Valkey, started and stopped by tollbook itself."""

from tollbook.embedded.postgres import PostgresServer
from tollbook.embedded.valkey import ValkeyServer

__all__ = ["PostgresServer", "ValkeyServer"]
