"""One journal under test, with the words its tests are written in."""

import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from redis.asyncio import Redis

from tollbook.domain.record import Journalled, Record, Touch
from tollbook.domain.window import DayWindow
from tollbook.journal.keys import Keys
from tollbook.journal.valkey import ValkeyJournal
from tollbook.ports.journal import DayView, Limit, Posted, Settled, Settlement

EPOCH = "0f3c2b0e-6d5a-4f0e-9a53-0a4c5b7f3a11"
INT64_MAX = 2**63 - 1
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Offer:
    """A store to run on: the fixture of its server, and whether as a tenant with narrow rights."""

    server: str
    narrow: bool


def window(day: int, start: timedelta = -HOUR, end: timedelta = HOUR) -> DayWindow:
    """A window around the present, named by an arbitrary date; whole milliseconds, as real midnights are."""
    now = datetime.now(UTC).replace(microsecond=0)
    return DayWindow(date(2026, 1, day), now + start, now + end)


class JournalCase:
    """Partition 0 of one journal. `admin` sees every key of the server; `store` only what it is granted."""

    def __init__(self, store: Redis, admin: Redis, prefix: str) -> None:
        self.store = store
        self.admin = admin
        self.keys = Keys(prefix)
        self.journal = ValkeyJournal(store, self.keys)
        self.open = window(2)
        self.closed = window(1, -3 * HOUR, -HOUR)
        self.future = window(3, HOUR, 3 * HOUR)

    def record(self, *touches: Touch, nonce: bytes | None = None) -> Record:
        return Record(0, nonce or os.urandom(16), len(touches), touches, b"rows")

    async def post(self, nanos: int, tenant: str = "acme", at: DayWindow | None = None) -> Posted:
        return await self.journal.post(self.record(Touch(tenant, at or self.open, nanos)))

    async def settle(
        self,
        versions: tuple[int, int],
        *totals: Touch,
        records: list[Journalled] | None = None,
        epoch: str = EPOCH,
    ) -> Settled:
        start, end = versions
        return await self.journal.settle(0, Settlement(epoch, start, end, totals, records or []))

    async def warm(self, version: int = 0, *totals: Touch) -> None:
        """Rebuild, so that the counters are complete up to a version."""
        assert await self.journal.rebuild_begin(0, "warm")
        if totals:
            assert await self.journal.rebuild_load(0, "warm", totals)
        assert await self.journal.rebuild_open(0, "warm", ledger_epoch=EPOCH, version=version, quarantine_ms=0)

    async def limit(self, nanos: int | None, version: int = 1, tenant: str | None = None) -> int:
        return await self.journal.limit(0, [Limit(tenant, nanos, version)])

    async def view(self, tenant: str = "acme", at: DayWindow | None = None) -> DayView:
        return await self.journal.view(0, tenant, (at or self.open).day)

    async def records(self) -> list[Journalled]:
        return await self.journal.read(0, "", 100)

    async def throttled(self, tenant: str = "acme") -> bool:
        return bool(await self.store.exists(self.keys.throttled(tenant)))

    async def spend(self, tenant: str = "acme", at: DayWindow | None = None) -> bytes | None:
        return await self.store.get(self.keys.spend(tenant, (at or self.open).day))

    async def contents(self) -> dict[bytes, object]:
        """Every key of the server and what it holds, for comparing before with after."""
        found: dict[bytes, object] = {}
        for key in await self.admin.keys("*"):
            kind = await self.admin.type(key)
            if kind == b"hash":
                found[key] = await self.admin.hgetall(key)
            elif kind == b"zset":
                found[key] = await self.admin.zrange(key, 0, -1, withscores=True)
            elif kind == b"stream":
                found[key] = await self.admin.xrange(key)
            else:
                found[key] = (await self.admin.get(key), await self.admin.pexpiretime(key))
        return found
