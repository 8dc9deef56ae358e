"""One ledger under test, with the words its tests are written in."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg

from tests.core_world import TokenPrices
from tollbook.domain.budget import BudgetBook
from tollbook.domain.event import Event
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.record import InboxRecord, Record
from tollbook.domain.tenancy import Tenancy
from tollbook.domain.window import DayWindow
from tollbook.ledger.config import PostgresConfig
from tollbook.ledger.pool import connect_pool
from tollbook.ledger.queries import Queries
from tollbook.ledger.store import PostgresLedger
from tollbook.pipeline.accept import record_of
from tollbook.pipeline.resolve import Resolver, Sender
from tollbook.ports.ledger import Batch, Booked

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def timed_id(at: datetime) -> str:
    """A UUIDv7 of an instant."""
    stamp, rest = f"{int(at.timestamp() * 1000):012x}", os.urandom(8).hex()
    return f"{stamp[:8]}-{stamp[8:]}-7{rest[:3]}-8{rest[3:6]}-{rest[:12]}"


def ulid(at: datetime) -> str:
    """A ULID of an instant."""
    number, text = int(at.timestamp() * 1000) << 80 | int.from_bytes(os.urandom(10)), ""
    for _ in range(26):
        number, digit = divmod(number, 32)
        text = _CROCKFORD[digit] + text
    return text


class LedgerCase:
    """Partition 0 of one ledger; `now` is the receivers' and the drain's clock."""

    def __init__(self, url: str, pool: asyncpg.Pool, queries: Queries) -> None:
        self.url = url
        self.pool = pool
        self.queries = queries
        self.ledger = PostgresLedger(pool, queries)
        self.config = PostgresConfig(pool, queries)
        self.now = self.started = datetime.now(UTC)
        self._resolver = Resolver(IntakeLimits(), TokenPrices(), Tenancy())

    def window(self, tenant: str = "acme") -> DayWindow:
        return self._resolver.tenancy.window_at(tenant, self.now)

    def under(self, tenancy: Tenancy, budgets: BudgetBook | None = None) -> None:
        """Receive under another configuration from now on."""
        self._resolver.under(tenancy, budgets)

    async def follow(self) -> None:
        """Let the receivers hear of the budgets."""
        lists = {owned.tenant: owned.budgets for owned in await self.config.budgets_since(0)}
        self.under(self._resolver.tenancy, BudgetBook(lists))

    def records(self, *events: Event) -> list[Record]:
        """One record of events as received now."""
        resolved = self._resolver.resolve(events, None, Sender(), self.now)
        assert not resolved.rejections, resolved.rejections
        return [record_of(0, [resolved.chunks[0]])]

    def poison(self, event: Event, good: bytes, bad: bytes) -> list[Record]:
        """A record whose row holds `bad` where it held `good` of the same length."""
        (record,) = self.records(event)
        assert record.rows.count(good) == 1
        assert len(good) == len(bad)
        return [Record(0, record.nonce, 1, (), record.rows.replace(good, bad))]

    def batch(self, *groups: Sequence[Record], inbox: Sequence[InboxRecord] = ()) -> Batch:
        records = [*(record for group in groups for record in group), *inbox]
        return Batch(
            [record.nonce for record in records],
            [record.rows for record in records],
            [record.inbox_id for record in inbox],
            sum(record.events for record in records),
        )

    async def book(self, *events: Event) -> Booked:
        return await self.book_records(self.records(*events))

    async def book_records(self, *groups: Sequence[Record]) -> Booked:
        return await self.ledger.book(0, self.batch(*groups), self.now)

    async def rows(self, query: str, *args: object) -> list[asyncpg.Record]:
        async with self.pool.acquire() as connection:
            return await connection.fetch(query, *args)

    async def execute(self, statement: str, *args: object) -> None:
        async with self.pool.acquire() as connection:
            await connection.execute(statement, *args)

    async def entries(self) -> list[str]:
        return [row[0] for row in await self.rows("SELECT event_id FROM entry ORDER BY event_id")]

    async def tables(self) -> list[str]:
        return [row[0] for row in await self.rows("SELECT relname FROM pg_class WHERE relkind = 'r' ORDER BY relname")]


@asynccontextmanager
async def open_case(url: str) -> AsyncIterator[LedgerCase]:
    queries = Queries()
    pool = await connect_pool(url, queries, connections_max=4, timeout_s=30, staging=True)
    try:
        yield LedgerCase(url, pool, queries)
    finally:
        await pool.close()
