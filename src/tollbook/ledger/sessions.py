"""The sessions port over Postgres."""

from datetime import datetime

import asyncpg

from tollbook.ledger.pool import connection_of
from tollbook.ledger.queries import Queries


class PostgresSessions:
    """Implements `ports.sessions.Sessions`. The caller owns the pool."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries

    async def begin(self, token_hash: bytes, key_id: str, now: datetime, ends_at: datetime) -> None:
        """Keep a session, and forget those that have ended."""
        async with connection_of(self._pool) as connection, connection.transaction():
            await connection.execute(self._sql["session_prune"], now)
            await connection.execute(self._sql["session_insert"], token_hash, key_id, now, ends_at)

    async def key_of(self, token_hash: bytes, now: datetime) -> str | None:
        """The id of the key that a session was opened with; None where it is unknown or has ended."""
        async with connection_of(self._pool) as connection:
            found: str | None = await connection.fetchval(self._sql["session_key"], token_hash, now)
        return found

    async def end(self, token_hash: bytes) -> None:
        """Forget a session."""
        async with connection_of(self._pool) as connection:
            await connection.execute(self._sql["session_end"], token_hash)
