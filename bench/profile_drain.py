"""Where a ledger transaction's time goes: `python -m bench.profile_drain --entries 2000000 --keep DIR`.

Books batches through the drain's own `Booking` and times each statement; `--explain` prints the plans of one batch.
"""

import argparse
import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import asyncpg

import tollbook.ledger
from bench.history import filled
from bench.procs import cpu_ms_of
from bench.report import Options
from bench.traffic import Bodies, Traffic
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.rows import COLUMN_NAMES, COPY_HEADER, COPY_TRAILER
from tollbook.domain.tenancy import Tenancy
from tollbook.ingest.native import decode
from tollbook.ledger.booking import Booking, oldest_week, week_of
from tollbook.ledger.queries import Queries
from tollbook.pipeline.resolve import Resolver, Sender
from tollbook.ports.ledger import Batch
from tollbook.pricing.bundled import bundled_book

_BODY = 500
_COMMIT = "commit"
_COPY = "copy to staging"
_QUERIES = Path(tollbook.ledger.__file__).parent / "queries"


class Timed:
    """A connection that notes how long each statement took, under the name of its file."""

    def __init__(self, connection: asyncpg.Connection, queries: Queries) -> None:
        self._connection = connection
        self._names = {queries[path.stem]: path.stem for path in _QUERIES.glob("*.sql")}
        self._pid = connection.get_server_pid()
        self.took_ms: dict[str, list[float]] = {}
        self.cpu_ms: dict[str, list[float]] = {}

    async def fetch(self, query: str, *args: object) -> Any:
        return await self._timed(self._names[query], self._connection.fetch, query, *args)

    async def fetchrow(self, query: str, *args: object) -> Any:
        return await self._timed(self._names[query], self._connection.fetchrow, query, *args)

    async def execute(self, query: str, *args: object) -> Any:
        return await self._timed(self._names[query], self._connection.execute, query, *args)

    async def copy_to_table(self, table: str, **options: object) -> Any:
        began = self.now_ms()
        status = await self._connection.copy_to_table(table, **options)
        self.note(_COPY, began)
        return status

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """A transaction whose commit is timed."""
        transaction = self._connection.transaction()
        await transaction.start()
        yield
        began = self.now_ms()
        await transaction.commit()
        self.note(_COMMIT, began)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["Timed"]:
        """Stand in for a pool of one connection."""
        yield self

    async def _timed(self, name: str, call: Callable[..., Any], *args: object) -> Any:
        began = self.now_ms()
        try:
            return await call(*args)
        finally:
            self.note(name, began)

    def now_ms(self) -> tuple[float, float]:
        """The clock, and how long the backend has been on a CPU."""
        return perf_counter() * 1e3, cpu_ms_of(self._pid)

    def note(self, name: str, began: tuple[float, float]) -> None:
        """File what has passed since `began` under a name."""
        now = self.now_ms()
        self.took_ms.setdefault(name, []).append(now[0] - began[0])
        self.cpu_ms.setdefault(name, []).append(now[1] - began[1])

    def table(self, warm: int) -> Iterator[str]:
        """One line a name, the dearest first; the first `warm` values are left out."""
        names = sorted(self.took_ms, key=lambda name: -median(self.cpu_ms[name][warm:]))
        for name in names:
            took, cpu = self.took_ms[name][warm:], self.cpu_ms[name][warm:]
            yield f"{name:30} {median(cpu):9.2f} ms on CPU {median(took):9.2f} ms by the clock, max {max(took):9.2f}"


class Rows:
    """Batches of rows as the receiver makes them."""

    def __init__(self, traffic: Traffic, events: int) -> None:
        self._bodies = Bodies(traffic)
        self._resolver = Resolver(IntakeLimits(), bundled_book(), Tenancy(partitions=1))
        self._events = events

    def batch(self) -> Batch:
        """The next batch."""
        now = datetime.now(UTC)
        runs = []
        for _ in range(self._events // _BODY):
            decoded = decode(self._bodies.next(), "application/json", IntakeLimits())
            resolved = self._resolver.resolve(decoded.events, decoded.indexes, Sender(), now)
            runs += [b"".join(chunk.rows) for chunk in resolved.chunks.values()]
        return Batch(nonces=[os.urandom(16)], rows=runs, inbox_ids=[], events=self._events)


async def profile(url: str, rows: Rows, batches: int, settings: list[str], *, explain: bool) -> None:
    """Book batches and print the median of each statement; the first fifth is warm-up."""
    queries = Queries()
    connection = await asyncpg.connect(url, server_settings={"jit": "off"})
    try:
        await connection.execute(queries["staging_create"])
        await connection.execute(queries["observation_create"])
        for setting in settings:
            await connection.execute(f"SET {setting}")
        timed = Timed(connection, queries)
        booking = Booking(timed, queries)
        for _ in range(batches):
            batch = rows.batch()
            began = timed.now_ms()
            await booking.book(0, batch, datetime.now(UTC))
            timed.note("whole transaction", began)
        print("\n".join(timed.table(batches // 5)))
        if explain:
            await explain_batch(connection, queries, rows.batch())
    finally:
        await connection.close()


async def explain_batch(connection: asyncpg.Connection, queries: Queries, batch: Batch) -> None:
    """Print what each statement does with one batch, and take the batch back."""
    now = datetime.now(UTC)
    statements: list[tuple[str, tuple[object, ...]]] = [
        ("staging_drop_known_timed", ()),
        ("staging_drop_known_untimed", (oldest_week(now), week_of(now))),
        ("identity_insert", (week_of(now),)),
        ("entry_insert", (0, 0)),
        ("daily_spend_add", (0, 1)),
        ("rollup_hour_add", ()),
        ("run_total_add", ()),
    ]
    transaction = connection.transaction()
    await transaction.start()
    await connection.copy_to_table("staging", source=_stream(batch.rows), format="binary", columns=COLUMN_NAMES)
    for name, args in statements:
        print(f"\n== {name}")
        for row in await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, WAL) {queries[name]}", *args):
            print(row[0])
    await transaction.rollback()


async def _stream(rows: list[bytes]) -> AsyncIterator[bytes]:
    yield b"".join((COPY_HEADER, *rows, COPY_TRAILER))


def main() -> None:
    """Parse, fill, profile."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile_drain", description=__doc__)
    parser.add_argument("--entries", type=int, default=10_000_000)
    parser.add_argument("--tenants", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, default=None, help="keep the filled ledger in this directory, or use it")
    parser.add_argument("--batch", type=int, default=10_000, help="events a transaction")
    parser.add_argument("--batches", type=int, default=25)
    parser.add_argument("--draw", choices=("zipf", "uniform"), default="zipf")
    parser.add_argument("--ids", choices=("v7", "v4"), default="v7")
    parser.add_argument("--of", type=int, default=None, help="draw from so many tenants (default: all)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the session")
    parser.add_argument("--explain", action="store_true", help="print the plans of one batch more")
    given = parser.parse_args()
    options = Options(entries=given.entries, tenants=given.tenants, keep=given.keep)
    traffic = Traffic(tenants=given.of or given.tenants, draw=given.draw, ids=given.ids, pool=400)
    with filled(options) as stack:
        rows = Rows(traffic, given.batch)
        asyncio.run(profile(stack.access.postgres_url, rows, given.batches, given.set, explain=given.explain))


if __name__ == "__main__":
    main()
