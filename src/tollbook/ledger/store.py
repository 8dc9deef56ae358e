"""The ledger port over PostgreSQL 15+."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from uuid import UUID

import asyncpg

from tollbook.domain.record import InboxRecord, Record
from tollbook.ledger.booking import IDENTITY_KEPT, Booking, touches_of
from tollbook.ledger.pool import connection_of
from tollbook.ledger.queries import Queries
from tollbook.ports.ledger import Batch, Booked, CatchUp, Standing

_PAGE_ROWS = 500


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

    async def catch_up(self, partition: int, after: int, also: Sequence[tuple[str, date]]) -> CatchUp:
        """Totals changed after a version, and those of the days in `also`, under one snapshot."""
        async with (
            connection_of(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            row = await connection.fetchrow(self._sql["partition_version"], partition)
            changed = touches_of(await connection.fetch(self._sql["catch_up_totals"], partition, after))
            known = {touch.key for touch in changed}
            missing = [key for key in dict.fromkeys(also) if key not in known]
            if missing:
                tenants, days = zip(*missing, strict=True)
                changed += touches_of(await connection.fetch(self._sql["day_totals"], list(tenants), list(days)))
        gap = after < row["oldest"] - 1 and after < row["version"]
        return CatchUp(str(row["ledger_epoch"]), row["version"], changed, gap)

    async def open_totals(self, partition: int, closing_after: datetime) -> AsyncIterator[CatchUp]:
        """Pages of all totals whose window closes after an instant, under one snapshot; at least one page."""
        last: tuple[str, date] = ("", date.min)
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
                    return
                last = page[-1].key

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

    async def make_room(self, at: datetime) -> None:
        """Create the partitions that entries and identities around `at` need, and drop expired identities."""
        async with connection_of(self._pool) as connection:
            await connection.execute(self._sql["make_room"], at)
            await connection.execute(self._sql["forget_identities"], at, IDENTITY_KEPT)
