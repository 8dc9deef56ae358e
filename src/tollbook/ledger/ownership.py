"""Which drain works on which partition: advisory locks of one session, which end with it.

Only for efficiency: two drains of one partition are correct, since its row lock orders them, but repeat
each other's work.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from tollbook.ledger.pool import Connection, translated
from tollbook.ledger.queries import Queries


class Ownership:
    """Partitions claimed by one session."""

    def __init__(self, connection: Connection, queries: Queries) -> None:
        self._connection = connection
        self._sql = queries

    async def claim(self, partition: int) -> bool:
        """Claim a partition; False where another drain has it."""
        async with translated():
            return bool(await self._connection.fetchval(self._sql["partition_claim"], partition))

    async def check(self) -> None:
        """Raise `LedgerUnavailable` where the session, and with it every claim, is gone."""
        async with translated():
            await self._connection.fetchval(self._sql["versions"])


@asynccontextmanager
async def ownership(url: str, queries: Queries, timeout_s: float) -> AsyncIterator[Ownership]:
    """A session for claims; raises `LedgerUnavailable` where Postgres is away."""
    async with translated():
        connection = await asyncpg.connect(url, timeout=timeout_s, command_timeout=timeout_s)
    try:
        yield Ownership(connection, queries)
    finally:
        connection.terminate()
