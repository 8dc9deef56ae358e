"""A whole tollbook on real stores, driven step by step in one thread: nothing happens unless a test asks for it."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

import httpx2
from redis.asyncio import Redis

from tollbook.api.front import Front
from tollbook.api.services import Backlog, Services
from tollbook.domain.access import Role
from tollbook.domain.event import Event
from tollbook.domain.limits import IntakeLimits
from tollbook.enforcement.gate import Gate, GateSettings
from tollbook.enforcement.limits import LimitKeeper
from tollbook.enforcement.refusals import Refusals
from tollbook.enforcement.watch import Watch
from tollbook.journal.audit import ValkeyAudit
from tollbook.journal.holds import ValkeyHolds
from tollbook.journal.keys import Keys
from tollbook.journal.received import ValkeyReceivedLog
from tollbook.journal.valkey import ValkeyJournal
from tollbook.ledger.alerts import PostgresAlerts
from tollbook.ledger.audit import PostgresAudit
from tollbook.ledger.changes import PostgresChanges
from tollbook.ledger.config import PostgresConfig
from tollbook.ledger.finding import PostgresFinding
from tollbook.ledger.pool import connect_pool
from tollbook.ledger.prices import PostgresPrices
from tollbook.ledger.queries import Queries
from tollbook.ledger.reading import PostgresReading
from tollbook.ledger.refusals import PostgresRefusals
from tollbook.ledger.sources import PostgresSources
from tollbook.ledger.spans import PostgresSpans
from tollbook.ledger.statements import PostgresStatements
from tollbook.ledger.store import PostgresLedger
from tollbook.ledger.totals import PostgresTotals
from tollbook.ledger.views import PostgresViews
from tollbook.pipeline.accept import Intake, IntakeSettings
from tollbook.pipeline.directory import Directory, mint_key
from tollbook.pipeline.drain import Drain, DrainSettings
from tollbook.pipeline.equations import VerifySettings
from tollbook.pipeline.rebuild import Rebuild, RebuildSettings
from tollbook.pipeline.resolve import Resolver, Sender
from tollbook.pipeline.traces import Traces, TraceSettings
from tollbook.pipeline.verify import Verify
from tollbook.ports.config import PriceCard
from tollbook.ports.prices import KeptBook
from tollbook.pricing.book import PriceBook, compile_book
from tollbook.pricing.own import read_overrides
from tollbook.pricing.quote import CountRates, TokenRates
from tollbook.statements.closing import Closing
from tollbook.statements.statement import Statements
from tollbook.telemetry import TelemetryRecord
from tollbook.views.fleet import FleetView

T = TypeVar("T")

PRICE_ID = 7
PRICED_MODEL = "m-1"
NANOS_PER_TOKEN = 1_000
CEILING_NANOS_PER_TOKEN = 80_000


class TestClock:
    """The real time, moved by `ahead`; pauses are only counted."""

    __test__ = False

    def __init__(self) -> None:
        self.ahead = timedelta()
        self.pauses = 0

    def now(self) -> datetime:
        """The present instant, or another one if the test moved it."""
        return datetime.now(UTC) + self.ahead

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return self.now().timestamp()

    async def pause(self, seconds: float) -> None:
        """Let others run, and come back at once."""
        self.pauses += 1
        await asyncio.sleep(0)


class Recorded:
    """Keeps what happened, and renders nothing of it."""

    def __init__(self) -> None:
        self.happened: list[TelemetryRecord] = []

    def record(self, happened: TelemetryRecord) -> None:
        """Take one record."""
        self.happened.append(happened)

    def render(self, backlog: Backlog) -> bytes:
        """A page that a scraper can read."""
        return f"tollbook_records {len(self.happened)}\n".encode()


class FlatPrices:
    """One model with one price for every token; any other is at the ceiling."""

    def rates(
        self, provider: str | None, model: str, service_tier: str | None, at: datetime, **more: object
    ) -> TokenRates:
        """The rates of a call."""
        if model == PRICED_MODEL:
            return _flat(PRICE_ID, 0, NANOS_PER_TOKEN)
        return _flat(None, 1, CEILING_NANOS_PER_TOKEN)


def _flat(price_id: int | None, flags: int, nanos: int) -> TokenRates:
    return TokenRates(price_id, flags, 1, CountRates(0, nanos, nanos, 0, 0, 0, 0))


class Shelf:
    """A small price book: one tenant has a discount."""

    TEXT = """
    [[model]]
    provider = "acme-labs"
    model = "m-1"
    usd = { input_tokens = 1, output_tokens = 1, web_searches = 10 }

    [[model]]
    provider = "acme-labs"
    model = "m-1"
    usd = { input_tokens = "0.5", output_tokens = "0.5" }
    when = { processing = "batch" }
    from = 2026-06-01

    [[discount]]
    name = "friends"
    tenant = "acme"
    percent = 10
    """

    @cached_property
    def book(self) -> PriceBook:
        """Compiled when it is first asked for."""
        return compile_book([], own=read_overrides(self.TEXT))


class World:
    """The stores and use cases of one test. Close it."""

    def __init__(self, postgres_url: str, valkey_url: str, prefix: str) -> None:
        self.runner = asyncio.Runner()
        self.queries = Queries()
        self.clock = TestClock()
        self.telemetry = Recorded()
        self.pool = self.run(connect_pool(postgres_url, self.queries, connections_max=6, timeout_s=20, staging=True))
        self.store = Redis.from_url(valkey_url, socket_timeout=20)
        keys = self.keys = Keys(prefix)
        self.journal = ValkeyJournal(self.store, keys)
        self.holds = ValkeyHolds(self.store, keys)
        self.ledger = PostgresLedger(self.pool, self.queries)
        self.config = PostgresConfig(self.pool, self.queries)
        self.reading = PostgresReading(self.pool, self.queries)
        self.spans = PostgresSpans(self.pool, self.queries)
        self.finding = PostgresFinding(self.pool, self.queries)
        self.refusal_store = PostgresRefusals(self.pool, self.queries)
        self.refusals = Refusals(self.refusal_store, self.clock, self.telemetry)
        self.views = PostgresViews(self.pool, self.queries)
        self.alerts = PostgresAlerts(self.pool, self.queries)
        self.directory = Directory(self.config, self.clock, self.telemetry)
        self.limits = LimitKeeper(
            self.config,
            self.journal,
            self.clock,
            self.telemetry,
            lambda: self.directory.tenancy,
            ledger=self.ledger,
            holds=self.holds,
        )
        self.intake = Intake(self.journal, self.ledger, self.clock, self.telemetry, IntakeSettings())
        kept = KeptBook("test", "test", None, "")
        self.run(PostgresPrices(self.pool, self.queries).keep(kept, [PriceCard(PRICE_ID, "test", PRICED_MODEL, "{}")]))
        self.run(self.directory.refresh())
        self.gate = self.new_gate()
        self.services = self._services(keys)
        self.front = Front(self.services)
        self.drains = {partition: self._drain(partition) for partition in range(self.directory.tenancy.partitions)}

    def _services(self, keys: Keys) -> Services:
        return Services(
            directory=self.directory,
            intake=self.intake,
            resolver=self.resolver(),
            journal=self.journal,
            received=ValkeyReceivedLog(self.store, keys),
            config=self.config,
            budgets=self.limits,
            reading=self.reading,
            alerts=self.alerts,
            clock=self.clock,
            telemetry=self.telemetry,
            metrics=self.telemetry,
            limits=IntakeLimits(),
            gate=self.gate,
            watch=Watch(self.holds, self.gate.copies, self.clock, self.telemetry, lambda: self.directory.tenancy),
            prices=Shelf(),
            traces=Traces(self.spans, self.clock, self.telemetry, IntakeLimits(), TraceSettings()),
            spans=self.spans,
            finding=self.finding,
            changes=PostgresChanges(self.pool, self.queries),
            refusals=self.refusal_store,
            sources=PostgresSources(self.pool, self.queries),
            price_store=PostgresPrices(self.pool, self.queries),
            fleet=FleetView(self.reading, self.views, self.journal, self.directory, self.clock),
            statements=Statements(PostgresStatements(self.pool, self.queries), self.clock),
            periods=Closing(PostgresStatements(self.pool, self.queries), self.clock, lambda: self.directory.tenancy),
        )

    def new_gate(self, **settings: Any) -> Gate:
        """A gate that knows no budgets yet."""
        totals = PostgresTotals(self.pool, self.queries)
        return Gate(
            self.holds,
            totals,
            FlatPrices(),
            self.clock,
            self.telemetry,
            tenancy=lambda: self.directory.tenancy,
            book=lambda: self.directory.budgets if self.directory.loaded else None,
            settings=GateSettings(**settings),
            refused=self.refusals.note,
        )

    def resolver(self) -> Resolver:
        """A resolver under the configuration as it is now."""
        resolver = Resolver(IntakeLimits(), FlatPrices(), self.directory.tenancy)
        resolver.under(self.directory.tenancy, self.directory.budgets)
        return resolver

    def _drain(self, partition: int) -> Drain:
        rebuild = Rebuild(
            self.journal,
            self.ledger,
            self.clock,
            self.telemetry,
            limits=self.limits.load,
            settings=RebuildSettings(),
        )
        return Drain(
            partition,
            self.journal,
            self.ledger,
            self.clock,
            self.telemetry,
            rebuild=rebuild,
            settings=DrainSettings(),
        )

    def run(self, work: Awaitable[T]) -> T:
        """Run something to its end on the world's loop."""

        async def whole() -> T:
            return await work

        return self.runner.run(whole())

    def accept(self, *events: Event, sender: Sender | None = None) -> None:
        """Journal events."""
        self.run(self.accepting(events, sender))

    async def accepting(self, events: Sequence[Event], sender: Sender | None = None) -> None:
        """Journal events on a loop that runs already."""
        resolved = self.resolver().resolve(events, None, sender or Sender(), self.clock.now())
        assert not resolved.rejections
        await self.intake.accept(resolved, "journal")

    def drain(self) -> None:
        """Drain every partition until nothing waits, and settle."""
        self.run(self.draining())

    async def draining(self) -> None:
        """Drain on a loop that runs already."""
        for drain in self.drains.values():
            await drain.tick()
            while await drain.step():
                pass
            await drain.settled()
            await drain.tick()

    def book(self, *events: Event) -> None:
        """Journal events and drain them."""
        self.accept(*events)
        self.drain()

    def follow_limits(self) -> None:
        """Bring the limits to the counters."""
        self.run(self.directory.refresh())
        self.run(self.limits.follow())

    def key(self, role: Role = Role.ADMIN, tenant: str | None = None) -> str:
        """A new key in force."""
        key = self.run(mint_key(self.config, role, by="test", tenant=tenant))
        self.run(self.directory.refresh())
        return key

    def ask(self, method: str, path: str, key: str | None = None, **more: Any) -> httpx2.Response:
        """One request to the API, as sent by a client."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        headers |= more.pop("headers", {})

        async def asked() -> httpx2.Response:
            transport = httpx2.ASGITransport(app=self.front, raise_app_exceptions=False)  # type: ignore[arg-type]
            async with httpx2.AsyncClient(transport=transport, base_url="http://tollbook.test") as client:
                return await client.request(method, path, headers=headers, **more)

        return self.run(asked())

    def get(self, path: str, key: str | None = None) -> httpx2.Response:
        """One GET."""
        return self.ask("GET", path, key)

    def execute(self, statement: str, *arguments: object) -> None:
        """One statement on the ledger, behind tollbook's back."""
        self.run(self.pool.execute(statement, *arguments))

    def plan(self, query: str, *arguments: object) -> str:
        """How Postgres runs a query of the ledger when tables are large: sequential scans are priced out."""

        async def explained() -> str:
            async with self.pool.acquire() as connection, connection.transaction():
                await connection.execute("SET LOCAL enable_seqscan = off")
                await connection.execute("SET LOCAL enable_sort = off")
                rows = await connection.fetch(f"EXPLAIN {self.queries[query]}", *arguments)
                return "\n".join(row[0] for row in rows)

        return self.run(explained())

    def verify(self, **settings: Any) -> Verify:
        """The audit of this world."""
        return Verify(
            PostgresAudit(self.pool, self.queries),
            self.journal,
            ValkeyAudit(self.store, self.keys),
            self.clock,
            VerifySettings(**settings),
            holds=self.holds,
        )

    def close(self) -> None:
        """Give the connections back."""

        async def closing() -> None:
            await self.store.aclose()
            await self.pool.close()

        self.run(closing())
        self.runner.close()


def event(tenant: str = "acme", **more: Any) -> Event:
    """A call of 100 + 50 tokens: 150,000 nano-dollars where its model has a price."""
    fields = {"agent": "planner/researcher", "model": PRICED_MODEL, "input": 100, "output": 50}
    return Event(tenant=tenant, **(fields | more))
