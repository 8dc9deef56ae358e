"""The ledger port over PostgreSQL 15+."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import asyncpg

from tollbook.domain.record import InboxRecord, Record
from tollbook.ledger.booking import IDENTITY_KEPT, Booking, meters_of, oldest_week, touches_of
from tollbook.ledger.pool import connection_of
from tollbook.ledger.queries import Queries
from tollbook.ports.ledger import Batch, Booked, CatchUp, MeterTotals, Standing

_PAGE_ROWS = 500
_METER_KEPT = timedelta(hours=72)
_RUN_METER_KEPT = timedelta(days=35)
_PRUNED_METERS_MAX = 10_000


class PostgresLedger:
    """Implements `ports.ledger.Ledger`. The caller owns the pool."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries
        self._booking = Booking(pool, queries)

    async def book(self, partition: int, batch: Batch, now: datetime) -> Booked:
        """Book a batch in one transaction, each identity once; raises `LedgerRefused` on poison."""
        return await self._booking.book(partition, batch, now)

    async def book_with_poison(self, partition: int, batch: Batch, now: datetime) -> Booked:
        """Book a batch of which some row is refused: the row goes to the dead letters, the rest is booked."""
        return await self._booking.book_with_poison(partition, batch, now)

    async def standing(self, partition: int) -> Standing:
        """The partition's version."""
        async with connection_of(self._pool) as connection:
            row = await connection.fetchrow(self._sql["partition_version"], partition)
        return Standing(str(row["ledger_epoch"]), row["version"])

    async def catch_up(
        self,
        partition: int,
        after: int,
        also: Sequence[tuple[str, date]],
        also_meters: Sequence[tuple[str, str]] = (),
    ) -> CatchUp:
        """Totals changed after a version, and those of the days and meters named besides, under one snapshot."""
        async with (
            connection_of(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            row = await connection.fetchrow(self._sql["partition_version"], partition)
            changed = touches_of(await connection.fetch(self._sql["catch_up_totals"], partition, after))
            meters = meters_of(await connection.fetch(self._sql["catch_up_meters"], partition, after))
            holds = await connection.fetch(self._sql["catch_up_holds"], partition, after)
            others = set(also_meters).difference((total.tenant, total.meter) for total in meters)
            if others:
                tenants, names = zip(*sorted(others), strict=True)
                meters += meters_of(await connection.fetch(self._sql["meter_totals"], list(tenants), list(names)))
            known = {touch.key for touch in changed}
            missing = [key for key in dict.fromkeys(also) if key not in known]
            if missing:
                tenants, days = zip(*missing, strict=True)
                changed += touches_of(await connection.fetch(self._sql["day_totals"], list(tenants), list(days)))
        gap = after < row["oldest"] - 1 and after < row["version"]
        return CatchUp(str(row["ledger_epoch"]), row["version"], changed, gap, meters, tuple(map(tuple, holds)))

    async def open_totals(self, partition: int, closing_after: datetime) -> AsyncIterator[CatchUp]:
        """Pages of all totals whose window closes after an instant, under one snapshot; at least one page.

        Totals of meters come in pages of their own behind those of days.
        """
        last: tuple[str, date] = ("", date.min)
        last_meter = ("", "")
        async with (
            connection_of(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            row = await connection.fetchrow(self._sql["partition_version"], partition)
            while True:
                found = await connection.fetch(self._sql["open_totals"], partition, closing_after, *last, _PAGE_ROWS)
                page = touches_of(found)
                yield CatchUp(str(row["ledger_epoch"]), row["version"], page)
                if len(page) < _PAGE_ROWS:
                    break
                last = page[-1].key
            closing_ms = int(closing_after.timestamp() * 1000)
            while True:
                rows = await connection.fetch(self._sql["open_meters"], partition, closing_ms, *last_meter, _PAGE_ROWS)
                meters = meters_of(rows)
                if meters:
                    yield CatchUp(str(row["ledger_epoch"]), row["version"], (), meters=meters)
                if len(meters) < _PAGE_ROWS:
                    return
                last_meter = (meters[-1].tenant, meters[-1].meter)

    async def meter_totals(self, partition: int, tenant: str, meters: Sequence[str]) -> MeterTotals:
        """The settled totals of some meters of a tenant under one snapshot; one in which nothing is booked is 0."""
        async with (
            connection_of(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            row = await connection.fetchrow(self._sql["partition_version"], partition)
            found = await connection.fetch(self._sql["meter_totals"], [tenant] * len(meters), list(meters))
        totals = dict.fromkeys(meters, 0) | {total.meter: total.total for total in meters_of(found)}
        return MeterTotals(str(row["ledger_epoch"]), row["version"], totals)

    async def inbox_append(self, record: Record) -> None:
        """Keep a record while Valkey is away."""
        async with connection_of(self._pool) as connection:
            await connection.execute(
                self._sql["inbox_append"],
                record.partition,
                UUID(bytes=record.nonce),
                record.events,
                record.rows,
            )

    async def inbox_peek(self, partition: int, records_max: int) -> list[InboxRecord]:
        """The oldest records of a partition's inbox."""
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(self._sql["inbox_peek"], partition, records_max)
        return [InboxRecord(inbox_id, nonce.bytes, events, rows) for inbox_id, nonce, events, rows in found]

    async def versions(self) -> dict[int, int]:
        """The version of every partition."""
        async with connection_of(self._pool) as connection:
            return {row["partition"]: row["version"] for row in await connection.fetch(self._sql["versions"])}

    async def nonces_since(self, versions: dict[int, int]) -> list[tuple[int, int, list[bytes]]]:
        """(partition, version, nonces) committed after the given version of each partition."""
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(self._sql["nonces_since"], list(versions), list(versions.values()))
        return [(partition, version, [nonce.bytes for nonce in nonces]) for partition, version, nonces in found]

    async def prune(self, partition: int, version: int, before: datetime) -> None:
        """Forget what transactions before `version` and `before` changed."""
        async with connection_of(self._pool) as connection:
            await connection.execute(self._sql["batch_prune"], partition, version, before)

    async def prune_meters(self, partition: int, now: datetime) -> int:
        """Forget some totals of meters long closed, and of runs long still; how many."""
        closed_ms = int((now - _METER_KEPT).timestamp() * 1000)
        async with connection_of(self._pool) as connection:
            status = await connection.execute(
                self._sql["meters_prune"], partition, closed_ms, now - _RUN_METER_KEPT, _PRUNED_METERS_MAX
            )
        return int(status.rpartition(" ")[2])

    async def size(self) -> int:
        """How many bytes the database takes."""
        async with connection_of(self._pool) as connection:
            return int(await connection.fetchval(self._sql["database_size"]))

    async def make_room(self, at: datetime) -> None:
        """Create the partitions that entries and identities around `at` need, and drop expired identities."""
        async with connection_of(self._pool) as connection:
            await connection.execute(self._sql["make_room"], at)
            await connection.execute(self._sql["forget_identities"], at, IDENTITY_KEPT)
            await connection.execute(self._sql["groups_forget"], oldest_week(at))
