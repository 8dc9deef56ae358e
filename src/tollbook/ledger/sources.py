"""Sources and what of them was taken, in the ledger's database."""

from collections.abc import Collection, Sequence
from datetime import datetime

import asyncpg

from tollbook.domain.source import Source, SourceKind, SourceStanding, SourceState
from tollbook.ledger.pool import changing, connection_of
from tollbook.ledger.queries import Queries
from tollbook.ports.sources import Polled, Taken

_NUL = "\x00"


class PostgresSources:
    """Implements `ports.sources.SourceStore`. The caller owns the pool."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries

    async def add(self, source: Source, by: str) -> bool:
        """Keep a source; False where another has its name."""
        async with changing(self._pool, self._sql, by) as connection:
            status = await connection.execute(
                self._sql["source_insert"],
                *(source.source_id, source.kind.value, source.name, source.base, source.token, source.bearer),
                *(source.tenant, source.stored_max, source.created_at),
            )
        return str(status).endswith(" 1")

    async def remove(self, name: str, by: str) -> bool:
        """Forget a source and what was taken of it; False where there is none."""
        async with changing(self._pool, self._sql, by) as connection:
            status = await connection.execute(self._sql["source_remove"], name)
        return str(status).endswith(" 1")

    async def standings(self) -> list[SourceStanding]:
        """Every source, by name, without secrets."""
        async with connection_of(self._pool) as connection:
            rows = await connection.fetch(self._sql["sources_list"])
        return [
            SourceStanding(**{**row, "kind": SourceKind(row["kind"]), "state": SourceState(row["state"])})
            for row in rows
        ]

    async def lease(self, by: str, now: datetime, until: datetime) -> Sequence[Source]:
        """The sources that are `by`'s to poll until an instant: nobody else's lease on them is in force."""
        async with connection_of(self._pool) as connection:
            rows = await connection.fetch(self._sql["sources_lease"], by, now, until)
        return [Source(**{**row, "kind": SourceKind(row["kind"])}) for row in rows]

    async def known(self, source_id: str, request_ids: Collection[str]) -> set[str]:
        """Which stored requests are done with."""
        async with connection_of(self._pool) as connection:
            rows = await connection.fetch(self._sql["source_known"], source_id, [*request_ids])
        return {row["request_id"] for row in rows}

    async def take(self, source_id: str, taken: Sequence[Taken], now: datetime) -> None:
        """Remember stored requests as done with."""
        ids, why, bodies = zip(*taken, strict=True)
        # The one character that Postgres's text cannot hold.
        kept = [None if body is None else body.replace(_NUL, "") for body in bodies]
        await self._execute("source_take", source_id, [*ids], [*why], kept, now)

    async def polled(self, source_id: str, polled: Polled, requests: int, now: datetime) -> None:
        """Add what a poll came to."""
        told = (polled.state.value, polled.detail, requests, polled.events, polled.refused, polled.gap)
        await self._execute("source_polled", source_id, *told, now)

    async def forget(self, source_id: str, listed: Collection[str], before: datetime) -> int:
        """Forget requests that were taken before an instant and are not in the inbox any more; how many."""
        status = await self._execute("source_forget", source_id, [*listed], before)
        return int(status.rpartition(" ")[2])

    async def _execute(self, name: str, *arguments: object) -> str:
        async with connection_of(self._pool) as connection:
            return str(await connection.execute(self._sql[name], *arguments))
