"""The core in one process on real servers: journal, ledger, intake and drains, stepped by hand."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, TypeVar

import asyncpg
from redis.asyncio import Redis

from tollbook.domain.event import Event
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.record import Journalled, Record, Touch
from tollbook.domain.tenancy import Tenancy
from tollbook.journal.keys import Keys
from tollbook.journal.valkey import ValkeyJournal
from tollbook.ledger.pool import connect_pool
from tollbook.ledger.queries import Queries
from tollbook.ledger.store import PostgresLedger
from tollbook.pipeline.accept import Ack, Intake, IntakeSettings
from tollbook.pipeline.drain import Drain, DrainSettings
from tollbook.pipeline.rebuild import Rebuild, RebuildSettings
from tollbook.pipeline.resolve import Resolved, Resolver, Sender
from tollbook.ports.journal import Limit, Posted
from tollbook.pricing.quote import Quote
from tollbook.telemetry import TelemetryRecord

CROSSINGS = ("read", "booked", "settling", "caught up", "settled")
DEFAULT_LIMIT = Limit(None, 50_000_000_000, 1)
_STEPS_MAX = 200

Kind = TypeVar("Kind")


class Killed(Exception):
    """The drain died at a crossing."""


class FrozenClock:
    """Stands still until told; a pause lets the others run and then moves it on by as much."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)
        self._monotonic = 1_000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move on; stores keep their own clocks."""
        self._monotonic += seconds
        self._now += timedelta(seconds=seconds)


class Recorder:
    """Telemetry that can be asked what happened."""

    def __init__(self) -> None:
        self.records: list[TelemetryRecord] = []

    def record(self, happened: TelemetryRecord) -> None:
        self.records.append(happened)

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [record for record in self.records if isinstance(record, kind)]


class TokenNanos(NamedTuple):
    """Rates under which an event costs a nano-dollar a token, or a dollar a token of the model `dear`."""

    factor: int
    price_id: int = 1
    flags: int = 0

    def cost_nanos(self, event: Event, units: Mapping[str, int] | None = None) -> int:
        return (event.input + event.output) * self.factor

    def quote(self, event: Event, units: Mapping[str, int] | None = None) -> Quote:
        return Quote(self.cost_nanos(event, units), self.price_id, self.flags)


class TokenPrices:
    """A price book whose sums a reader can do in the head."""

    def rates(
        self, provider: str | None, model: str, service_tier: str | None, at: datetime, **more: object
    ) -> TokenNanos:
        return TokenNanos(1_000_000_000 if model == "dear" else 1)


class Crossings:
    """A drain's crossing hook that kills it at the nth passing of a step, and knows what it passed."""

    def __init__(self, step: str = "", nth: int = 1) -> None:
        self._step = step
        self._left = nth
        self.passed: list[str] = []
        self.then: Callable[[str], Awaitable[None]] | None = None

    async def __call__(self, step: str) -> None:
        self.passed.append(step)
        if self.then is not None:
            await self.then(step)
        if step == self._step:
            self._left -= 1
            if self._left == 0:
                raise Killed(step)


def zone_at_noon() -> str:
    """A zone in which it is about noon now, so that no test meets a midnight."""
    ahead = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


def event(tenant: str = "acme", nanos: int = 1_000, **fields: object) -> Event:
    """An event that costs `nanos` under `TokenPrices`."""
    return Event(**{"tenant": tenant, "agent": "planner", "model": "m", "input": nanos, "output": 0, **fields})


class World:
    """Everything between a sender and the totals. Attributes are the parts themselves."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries, store: Redis, keys: Keys, partitions: int) -> None:
        self.pool = pool
        self.store = store
        self.keys = keys
        self.clock = FrozenClock()
        self.telemetry = Recorder()
        self.tenancy = Tenancy(partitions=partitions, zone=zone_at_noon())
        self.limits: list[Limit] = [DEFAULT_LIMIT]
        self.journal = ValkeyJournal(store, keys)
        self.ledger = PostgresLedger(pool, queries)
        self.resolver = Resolver(IntakeLimits(), TokenPrices(), self.tenancy)
        self.drain_settings = DrainSettings()
        self.intake = self.new_intake()

    def new_intake(self, **settings: object) -> Intake:
        return Intake(self.journal, self.ledger, self.clock, self.telemetry, IntakeSettings(**settings))

    async def load_limits(self, partition: int) -> None:
        """Put the world's limits beside the meters, as a rebuild asks for it."""
        mine = [
            limit
            for limit in self.limits
            if limit.tenant is None or self.tenancy.partition_of(limit.tenant) == partition
        ]
        await self.journal.limit(partition, mine)

    def rebuild(self) -> Rebuild:
        return Rebuild(
            self.journal,
            self.ledger,
            self.clock,
            self.telemetry,
            limits=self.load_limits,
            settings=RebuildSettings(),
        )

    def drain(self, partition: int = 0, crossing: Crossings | None = None) -> Drain:
        """A new drain object, as a restarted process has it."""
        return Drain(
            partition,
            self.journal,
            self.ledger,
            self.clock,
            self.telemetry,
            rebuild=self.rebuild(),
            settings=self.drain_settings,
            crossing=crossing or Crossings(),
        )

    def resolve(self, events: Sequence[Event], sender: Sender | None = None) -> Resolved:
        resolved = self.resolver.resolve(events, None, sender or Sender(), self.clock.now())
        assert not resolved.rejections, resolved.rejections
        return resolved

    def record(self, *events: Event, nonce: bytes | None = None) -> Record:
        """The record of events of one partition."""
        ((partition, chunk),) = self.resolve(events).chunks.items()
        touches = tuple(Touch(place.tenant, place.window, nanos) for place, nanos in chunk.nanos.items())
        return Record(partition, nonce or os.urandom(16), len(chunk.rows), touches, b"".join(chunk.rows))

    async def post(self, *events: Event) -> Posted:
        """Journal events of one partition as one record, past the intake."""
        return await self.journal.post(self.record(*events))

    async def accept(self, *events: Event, ack: Ack = "journal") -> None:
        await self.intake.accept(self.resolve(events), ack)

    async def drain_dry(self, drain: Drain | None = None, partition: int = 0) -> Drain:
        """Step a drain until nothing waits and a tick has settled the rest."""
        drain = drain or self.drain(partition)
        for _ in range(2):
            self.clock.advance(2)
            for _ in range(_STEPS_MAX):
                if not await drain.step():
                    break
            else:
                raise AssertionError("the drain finds no rest")
        return drain

    async def kill_drain(self, step: str, *, nth: int = 1, partition: int = 0) -> bool:
        """Run a new drain until it dies at the nth passing of a step; False where it came to rest before."""
        drain = self.drain(partition, Crossings(step, nth))
        try:
            await self.drain_dry(drain)
        except Killed:
            await abandon(drain)
            return True
        return False

    def today(self, tenant: str = "acme") -> date:
        return self.tenancy.window_at(tenant, self.clock.now()).day

    def day_before(self, days: int, tenant: str = "acme") -> datetime:
        """An instant in the tenant's local day `days` days ago."""
        return self.clock.now() - timedelta(days=days)

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        async with self.pool.acquire() as connection:
            return await connection.fetch(query, *args)

    async def execute(self, statement: str, *args: object) -> None:
        async with self.pool.acquire() as connection:
            await connection.execute(statement, *args)

    async def drain_one_blind(self, drain: Drain) -> bool:
        """Let a drain read one batch, and book it while Valkey is away."""
        store, real_read = self.journal._store, self.journal.read

        async def read(partition: int, after: str, records_max: int) -> list[Journalled]:
            self.journal._store = self.store
            try:
                return await real_read(partition, after, records_max)
            finally:
                self.journal._store = store

        self.journal.read = read
        try:
            booked = await drain.step()
            await drain.settled()
            return booked
        finally:
            del self.journal.read

    async def settled_totals(self) -> dict[tuple[str, date], int]:
        """What Postgres says each tenant's day has come to."""
        rows = await self.fetch("SELECT tenant_id, day, cost_nanos FROM daily_spend")
        return {(tenant, day): nanos for tenant, day, nanos in rows}

    async def entry_sums(self) -> dict[tuple[str, date], int]:
        """The sum of entries of each tenant's day."""
        rows = await self.fetch("SELECT tenant, day, sum(cost_nanos)::bigint FROM entry GROUP BY tenant, day")
        return {(tenant, day): nanos for tenant, day, nanos in rows}

    async def entry_ids(self) -> list[str]:
        return [row[0] for row in await self.fetch("SELECT event_id FROM entry ORDER BY event_id")]

    async def all_days(self, partition: int = 0) -> list[tuple[str, date]]:
        """Every day the counters of a partition keep."""
        days: list[tuple[str, date]] = []
        cursor = 0
        while True:
            cursor, page = await self.journal.open_days(partition, cursor, 500)
            days += page
            if cursor == 0:
                return sorted(set(days))

    async def lose_valkey(self) -> None:
        """Take away every key of this world; scripts stay, as other worlds use them."""
        await self.restore_valkey({})

    async def copy_valkey(self) -> dict[bytes, bytes]:
        """The keyspace as it is now, for a second Valkey that is promoted later."""
        return {key: await self.store.dump(key) for key in await self._own_keys()}

    async def restore_valkey(self, copied: dict[bytes, bytes]) -> None:
        """Go on with an older state: what a failover to a lagging replica leaves."""
        own = await self._own_keys()
        if own:
            await self.store.delete(*own)
        for key, dumped in copied.items():
            await self.store.restore(key, 0, dumped)

    async def _own_keys(self) -> list[bytes]:
        pattern = f"{self.keys.throttled('')[: -len('throttled:')]}*"
        return [key async for key in self.store.scan_iter(match=pattern, count=1_000)]

    async def spend_cents(self, tenant: str = "acme", day: date | None = None) -> int | None:
        """What `spend:<tenant>:<day>` shows."""
        found = await self.store.get(self.keys.spend(tenant, day or self.today(tenant)))
        return None if found is None else int(found)

    async def throttled(self, tenant: str = "acme") -> bool:
        return bool(await self.store.exists(self.keys.throttled(tenant)))

    async def assert_at_rest(self) -> None:
        """Assert that nothing waits, pending is 0, and counters, totals and entries agree."""
        totals = await self.settled_totals()
        assert totals == await self.entry_sums()
        for partition in range(self.tenancy.partitions):
            audit = await self.journal.audit(partition, await self.all_days(partition), 10_000)
            assert audit.complete
            assert audit.records == 0
            assert audit.fence == (await self.ledger.standing(partition)).version
            for day in audit.days:
                assert (day.pending_nanos, day.journal_nanos) == (0, 0), day
                assert day.settled_nanos == totals.get((day.tenant, day.day), 0), day
        await self._assert_open_totals_stand(totals)

    async def _assert_open_totals_stand(self, totals: dict[tuple[str, date], int]) -> None:
        for (tenant, day), nanos in totals.items():
            if self.tenancy.calendar_of(tenant).window_of(day).end > self.clock.now():
                view = await self.journal.view(self.tenancy.partition_of(tenant), tenant, day)
                assert view.settled_nanos == nanos, (tenant, day)


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Return once a condition of the world holds."""
    while True:
        if await condition():
            return
        await asyncio.sleep(0)


async def abandon(drain: Drain) -> None:
    """Let a killed drain's last settle go, as a dead process does."""
    for _ in range(2):
        try:
            await drain.settled()
        except Killed:
            continue


@asynccontextmanager
async def open_world(postgres_url: str, valkey_url: str, prefix: str, *, partitions: int = 1) -> AsyncIterator[World]:
    """A world on a database and a key prefix of its own, closed afterwards."""
    queries = Queries()
    pool = await connect_pool(postgres_url, queries, connections_max=6, timeout_s=30, staging=True)
    store = Redis.from_url(valkey_url)
    try:
        yield World(pool, queries, store, Keys(prefix), partitions)
    finally:
        await store.aclose()
        await pool.close()
