"""The audit trail over Postgres, where triggers write it."""

import asyncpg

from tollbook.ledger.pool import connection_of
from tollbook.ledger.queries import Queries
from tollbook.ports.changes import Change, ChangeKind

_NEWEST = (1 << 63) - 1


class PostgresChanges:
    """Implements `ports.changes.Changes`. The caller owns the pool."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries

    async def page(self, tenant: str | None, kind: ChangeKind | None, before: int | None, count: int) -> list[Change]:
        """Up to `count` changes, newest first, behind one of them; of one tenant, or of all (None)."""
        place = _NEWEST if before is None else before
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(self._sql["changes_page"], place, count, tenant, kind)
        return [Change(*row) for row in found]
