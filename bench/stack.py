"""A whole tollbook as `tollbook up` runs it, durable settings and all, and what a benchmark asks of it."""

import asyncio
import os
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import asyncpg
from redis import Redis

from bench.procs import Roles, Shares, stores_below
from tollbook.app.config import Settings
from tollbook.app.up import Access, Up, free_port
from tollbook.domain.errors import StoreError
from tollbook.embedded.process import wait_until

T = TypeVar("T")
_SQL = Path(__file__).with_name("sql")
_LEDGER_TABLES = "entry, identity, daily_spend, rollup_hour, run_total, rollup_day, rollup_month, rollup_fleet_hour"
_STUCK_S = 120.0


class Postgres:
    """One connection, asked synchronously."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self.connection: asyncpg.Connection = self._runner.run(asyncpg.connect(url))

    def run(self, asked: Coroutine[Any, Any, T]) -> T:
        """Wait for something done on the connection."""
        return self._runner.run(asked)

    def value(self, query: str, *args: object) -> Any:
        """The first value of a query."""
        return self.run(self.connection.fetchval(query, *args))

    def rows(self, query: str, *args: object) -> list[asyncpg.Record]:
        """All rows of a query."""
        return self.run(self.connection.fetch(query, *args))

    def execute(self, statement: str, *args: object) -> str:
        """Run a statement, however long it takes."""
        return self.run(self.connection.execute(statement, *args, timeout=None))

    def close(self) -> None:
        """End the connection."""
        self._runner.run(self.connection.close())
        self._runner.close()


class Stack:
    """One running tollbook."""

    def __init__(self, up: Up, access: Access, data: Path, stores: list[int]) -> None:
        self.access = access
        self.data = data
        self._up = up
        self.postgres = Postgres(access.postgres_url)
        self.roles = Roles(stores, {child.role: child.pid for child in up.children})
        self._cpu = self.roles.cpu_s()

    def valkey(self) -> Redis:
        """A client of this stack's Valkey."""
        return Redis.from_url(self.access.valkey_url, decode_responses=True)

    def version(self) -> int:
        """How many transactions the ledger has committed."""
        return int(self.postgres.value("SELECT version FROM partition WHERE partition = 0"))

    def committed(self, since: int) -> int:
        """Events booked in transactions after a version."""
        counted = "SELECT coalesce(sum(events), 0) FROM ledger_batch WHERE partition = 0 AND version > $1"
        return int(self.postgres.value(counted, since))

    def await_committed(self, events: int, since: int) -> float:
        """Wait until that many events are booked; the instant (perf_counter) at which they were seen to be."""
        progress, moved_at = 0, perf_counter()

        def done() -> bool:
            nonlocal progress, moved_at
            found = self.committed(since)
            if found != progress:
                progress, moved_at = found, perf_counter()
            self.require_alive()
            return found >= events or perf_counter() - moved_at > _STUCK_S

        wait_until(done, deadline_seconds=3_600, every_seconds=0.005)
        if progress < events:
            raise StoreError(f"{progress} of {events} events committed, and no more for {_STUCK_S:.0f} s")
        return perf_counter()

    def require_alive(self) -> None:
        """Raise where a role has ended: a figure taken past that says nothing."""
        for child in self._up.children:
            if child.died:
                raise StoreError(f"`tollbook {child.role}` ended; see its log in {self.data}")

    def at_rest(self) -> bool:
        """Whether nothing waits in the journal."""
        with self.valkey() as valkey:
            return valkey.xlen("tollbook:{0}:journal") == 0

    def await_rest(self) -> None:
        """Wait until the drain has settled everything."""
        if not wait_until(self.at_rest, deadline_seconds=_STUCK_S, every_seconds=0.02):
            raise StoreError("the journal does not empty")

    def empty(self) -> None:
        """Take every entry, identity and total out, and write back what is dirty: each run starts alike."""
        self.await_rest()
        # The follower of rollups locks its cursor before any of these: taken first, the two cannot wait for each other.
        self.postgres.execute(f"BEGIN; LOCK TABLE rollup_cursor; TRUNCATE {_LEDGER_TABLES}; COMMIT")
        self.postgres.execute("CHECKPOINT")

    def mark_cpu(self) -> None:
        """Count CPU time from here."""
        self._cpu = self.roles.cpu_s()

    def cpu_used(self) -> Shares:
        """CPU seconds by role since the mark."""
        return Shares.between(self._cpu, self.roles.cpu_s())

    def close(self) -> None:
        """Let the connections go."""
        self.postgres.close()


@contextmanager
def running(data: Path | None = None) -> Iterator[Stack]:
    """A tollbook on a port of its own, in `data` or in a directory that is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="tollbook-bench-") as folder:
        settings = Settings()
        place = (data or Path(folder)).absolute()
        up = Up(place, Settings(port=free_port(settings.host)))
        before = set(stores_below(os.getpid()))
        with up.running() as access:
            stack = Stack(up, access, place, [pid for pid in stores_below(os.getpid()) if pid not in before])
            try:
                yield stack
            finally:
                stack.close()


def statement(name: str) -> str:
    """The text of a file in `bench/sql`."""
    return (_SQL / f"{name}.sql").read_text()
