"""Counts of refusals in the ledger's database."""

from collections.abc import Sequence
from datetime import date

import asyncpg

from tollbook.ledger.pool import connection_of
from tollbook.ledger.queries import Queries
from tollbook.ports.refusals import Refused


class PostgresRefusals:
    """Implements `ports.refusals.RefusalStore`. The caller owns the pool."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries

    async def add(self, refused: Sequence[Refused]) -> None:
        """Add counts to those of their UTC day; two of one key are one."""
        columns = [
            [one.tenant for one in refused],
            [one.run for one in refused],
            [one.last_at.date() for one in refused],
            [one.agent for one in refused],
            [one.model for one in refused],
            [one.verdict for one in refused],
            [one.budget for one in refused],
            [one.times for one in refused],
            [one.first_at for one in refused],
            [one.last_at for one in refused],
        ]
        async with connection_of(self._pool) as connection:
            await connection.execute(self._sql["refusals_add"], *columns)

    async def of_run(self, tenant: str, run: str, count: int) -> list[Refused]:
        """What was refused to a run, most often first; run '': to calls of none."""
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(self._sql["refusals_of_run"], tenant, run, count)
        return [Refused(*row) for row in found]

    async def prune(self, before: date) -> None:
        """Forget what was refused before a UTC day."""
        async with connection_of(self._pool) as connection:
            await connection.execute(self._sql["refusals_prune"], before)
