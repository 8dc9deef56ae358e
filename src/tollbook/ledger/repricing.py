"""The repricing port over PostgreSQL: reads what stands, replaces it by the transaction that books."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import msgspec

from tollbook.domain.event import Event
from tollbook.ledger.booking import Booking
from tollbook.ledger.pool import connection_of
from tollbook.ledger.queries import Queries
from tollbook.ports.reprice import Range, Repriced, Standing

_FIRST = (datetime(1, 1, 2, tzinfo=UTC), UUID(int=0))
_UNITS = msgspec.json.Decoder(dict[str, int])
_CONTEXT = msgspec.json.Decoder(dict[str, str])


class PostgresRepricing:
    """Implements `ports.reprice.Repricing`. The caller owns the pool, whose connections have the landing table."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries
        self._booking = Booking(pool, queries)

    async def count(self, partition: int, within: Range) -> int:
        """How many entries are of calls there, replaced ones included."""
        async with connection_of(self._pool) as connection:
            return int(await connection.fetchval(self._sql["reprice_count"], partition, *within))

    async def page(
        self, partition: int, within: Range, after: tuple[datetime, str] | None, count: int
    ) -> list[Standing]:
        """Up to `count` entries that stand, in the order of their time, behind one of them."""
        ts, entry_id = _FIRST if after is None else (after[0], UUID(after[1]))
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(
                self._sql["reprice_page"],
                partition, within.since, within.until, ts, entry_id, within.tenant, within.model, count,
            )  # fmt: skip
        return [_standing(row) for row in found]

    async def reprice(self, partition: int, repriced: Sequence[Repriced], now: datetime) -> int:
        """Replace those that still stand, in one transaction of the partition; how many were."""
        return await self._booking.reprice(partition, repriced, now)


def _standing(row: asyncpg.Record) -> Standing:
    units, context = row["units"], row["context"]
    event = Event(
        tenant=row["tenant"],
        agent=row["agent"],
        model=row["model"],
        provider=row["provider"],
        service_tier=row["service_tier"],
        run=row["run"],
        input=row["input"],
        output=row["output"],
        cache_read=row["cache_read"],
        cache_write_5m=row["cache_write_5m"],
        cache_write_1h=row["cache_write_1h"],
        reasoning=row["reasoning"],
        units=None if units is None else _UNITS.decode(units),
        context=None if context is None else _CONTEXT.decode(context),
    )
    return Standing(
        row["ts"],
        str(row["entry_id"]),
        event,
        row["day"],
        row["cost_nanos"],
        row["price_id"],
        row["flags"],
        row["reported_nanos"],
    )
