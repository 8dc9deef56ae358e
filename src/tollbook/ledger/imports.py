"""Places of imported files, and the look among old entries, in the ledger's database."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from tollbook.ledger.pool import connection_of
from tollbook.ledger.queries import Queries
from tollbook.ports.imports import Place


class PostgresImports:
    """Implements `ports.imports.ImportStore`. The caller owns the pool."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries

    async def places(self, names: Collection[str]) -> dict[str, Place]:
        """Where each of these files stands; one that was never imported is left out."""
        async with connection_of(self._pool) as connection:
            rows = await connection.fetch(self._sql["import_places"], list(names))
        return {name: Place(done, digest) for name, done, digest in rows}

    async def keep(self, name: str, place: Place, now: datetime) -> None:
        """Remember where a file stands."""
        async with connection_of(self._pool) as connection:
            await connection.execute(self._sql["import_place_keep"], name, place.done, place.digest, now)

    async def booked(self, keys: Sequence[tuple[datetime, bytes]]) -> set[bytes]:
        """Of entries named by (ts, entry id), the ids of those that are in the ledger, however old."""
        instants, ids = [at for at, _ in keys], [UUID(bytes=entry_id) for _, entry_id in keys]
        async with connection_of(self._pool) as connection:
            rows = await connection.fetch(self._sql["entries_booked"], instants, ids)
        return {row["entry_id"].bytes for row in rows}
