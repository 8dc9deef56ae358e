"""Where the rooms are put together: one object a process, nothing global."""

import contextlib
from typing import Self

import asyncpg
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ValkeyConnectionError

from tollbook.alerting.delivery import Deliverer, DeliverySettings
from tollbook.alerting.raising import Raiser, RaiserSettings
from tollbook.app.clock import SystemClock
from tollbook.app.config import Settings
from tollbook.app.observe import Metrics
from tollbook.app.prices import PriceKeeper
from tollbook.domain.alert import Alert
from tollbook.domain.budget import Fail
from tollbook.domain.errors import JournalUnavailable
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.tenancy import Tenancy
from tollbook.enforcement.gate import Gate, GateSettings
from tollbook.enforcement.limits import LimitKeeper
from tollbook.enforcement.refusals import Refusals
from tollbook.enforcement.watch import Watch
from tollbook.hooks.addresses import AddressBook
from tollbook.hooks.sender import HttpSender
from tollbook.journal.audit import ValkeyAudit
from tollbook.journal.connection import PackingConnection
from tollbook.journal.holds import ValkeyHolds
from tollbook.journal.keys import Keys
from tollbook.journal.readers import probe
from tollbook.journal.received import ValkeyReceivedLog
from tollbook.journal.valkey import ValkeyJournal
from tollbook.ledger.alerts import PostgresAlerts
from tollbook.ledger.audit import PostgresAudit
from tollbook.ledger.bookings import PostgresBookings
from tollbook.ledger.changes import PostgresChanges
from tollbook.ledger.config import PostgresConfig
from tollbook.ledger.finding import PostgresFinding
from tollbook.ledger.pool import connect_pool
from tollbook.ledger.prices import PostgresPrices
from tollbook.ledger.queries import Queries
from tollbook.ledger.refusals import PostgresRefusals
from tollbook.ledger.repricing import PostgresRepricing
from tollbook.ledger.sources import PostgresSources
from tollbook.ledger.spans import PostgresSpans
from tollbook.ledger.statements import PostgresStatements
from tollbook.ledger.store import PostgresLedger
from tollbook.ledger.totals import PostgresTotals
from tollbook.ledger.views import PostgresViews
from tollbook.pipeline.accept import Intake, IntakeSettings
from tollbook.pipeline.directory import Directory
from tollbook.pipeline.drain import Drain, DrainSettings
from tollbook.pipeline.follow import Follower
from tollbook.pipeline.rebuild import Rebuild, RebuildSettings
from tollbook.pipeline.reconcile import Reconcile
from tollbook.pipeline.reprice import Reprice
from tollbook.pipeline.resolve import Resolver
from tollbook.pipeline.traces import Traces, TraceSettings
from tollbook.pipeline.verify import Verify
from tollbook.pricing.book import PriceBook
from tollbook.pricing.quote import Ceiling
from tollbook.statements.closing import Closing
from tollbook.statements.statement import Statements
from tollbook.telemetry import AlertRaised


class World:
    """The stores and use cases of one process. Open it, use it, close it."""

    def __init__(self, settings: Settings, pool: asyncpg.Pool, queries: Queries, store: "Redis") -> None:
        self.settings = settings
        self.pool = pool
        self.queries = queries
        self.store = store
        self.clock = SystemClock()
        self.metrics = Metrics(settings.metrics_dir or None)
        self.keys = keys = Keys(settings.valkey_key_prefix)
        self.journal = ValkeyJournal(store, keys)
        self.holds = ValkeyHolds(store, keys)
        self.received = ValkeyReceivedLog(store, keys)
        self.ledger = PostgresLedger(pool, queries)
        self.config = PostgresConfig(pool, queries)
        self.alerts = PostgresAlerts(pool, queries)
        self.prices = PostgresPrices(pool, queries)
        self.spans = PostgresSpans(pool, queries)
        self.finding = PostgresFinding(pool, queries)
        self.changes = PostgresChanges(pool, queries)
        self.refusal_store = PostgresRefusals(pool, queries)
        self.sources = PostgresSources(pool, queries)
        self.views = PostgresViews(pool, queries)
        self.sender = HttpSender(AddressBook(settings.alert_networks()), timeout_s=settings.alert_timeout_s)
        self.directory = Directory(self.config, self.clock, self.metrics, zone=settings.time_zone)
        self.refusals = Refusals(self.refusal_store, self.clock, self.metrics)
        self.limits = LimitKeeper(
            self.config,
            self.journal,
            self.clock,
            self.metrics,
            self._tenancy_now,
            ledger=self.ledger,
            holds=self.holds,
        )

    @classmethod
    async def open(cls, settings: Settings, *, books: bool = False) -> Self:
        """Build everything; neither store has to be there yet. With `books` the world can drain."""
        settings.require_stores()
        queries = Queries()
        pool = await connect_pool(
            settings.postgres_url,
            queries,
            connections_max=settings.postgres_connections_max,
            timeout_s=settings.postgres_timeout_s,
            staging=books,
        )
        return cls(settings, pool, queries, connect_valkey(settings))

    async def close(self) -> None:
        """Give the connections back."""
        await self.sender.close()
        await self.store.aclose()
        self.pool.terminate()

    async def require_keys(self) -> None:
        """Raise `ConfigError` where Valkey is there and does not let us write under our prefix."""
        with contextlib.suppress(JournalUnavailable):
            await probe(self.store, self.keys)

    def intake_limits(self) -> IntakeLimits:
        """Bounds at the door under these settings."""
        return IntakeLimits(
            body_bytes_max=self.settings.body_bytes_max,
            batch_events_max=self.settings.batch_events_max,
            past_days_max=self.settings.past_days_max,
            reported_differs_percent=self.settings.reported_differs_percent,
        )

    def price_keeper(self) -> PriceKeeper:
        """What holds the price book in force."""
        return PriceKeeper(
            self.prices,
            self.clock,
            self.metrics,
            path=self.settings.prices_path(),
            ceiling=ceiling_of(self.settings),
            factor_max=self.settings.prices_factor_max,
            ring=self.ring,
        )

    async def ring(self, alert: Alert) -> None:
        """Keep an alert that no total gave rise to, once, and tell of it."""
        raised = await self.alerts.ring(alert, self.clock.now())
        if raised is not None:
            told = AlertRaised(alert.kind, alert.tenant, alert.text, raised.alert_id, raised.deliveries, alert.facts)
            self.metrics.record(told)

    def intake(self) -> Intake:
        """The use case that acknowledges events."""
        settings = IntakeSettings(ack_timeout_s=self.settings.ack_timeout_s)
        return Intake(self.journal, self.ledger, self.clock, self.metrics, settings)

    def gate(self, book: PriceBook) -> Gate:
        """The use case that decides calls."""
        totals = PostgresTotals(self.pool, self.queries)
        settings = GateSettings(
            step_tokens=self.settings.hold_step_tokens, unknown=Fail(self.settings.hold_fail_unknown)
        )
        return Gate(
            self.holds,
            totals,
            book,
            self.clock,
            self.metrics,
            tenancy=self._tenancy_now,
            book=lambda: self.directory.budgets if self.directory.loaded else None,
            settings=settings,
            refused=self.refusals.note,
        )

    def traces(self) -> Traces:
        """The use case that makes events of spans."""
        settings = TraceSettings(
            mapping=self.settings.otel_mapping(),
            keep_days=self.settings.span_keep_days,
            content=self.settings.span_content == "keep",
        )
        return Traces(self.spans, self.clock, self.metrics, self.intake_limits(), settings)

    def watch(self, gate: Gate) -> Watch:
        """The use case that tells of changes."""
        return Watch(self.holds, gate.copies, self.clock, self.metrics, self._tenancy_now)

    def _tenancy_now(self) -> Tenancy:
        return self.directory.tenancy

    def resolver(self, book: PriceBook) -> Resolver:
        """The use case that prices and attributes events."""
        return Resolver(self.intake_limits(), book, self.directory.tenancy)

    def rebuild(self) -> Rebuild:
        """The use case that restores counters."""
        return Rebuild(
            self.journal,
            self.ledger,
            self.clock,
            self.metrics,
            limits=self.limits.load,
            settings=RebuildSettings(),
        )

    def verify(self) -> Verify:
        """The use case that proves the sums."""
        ledger, counters = PostgresAudit(self.pool, self.queries), ValkeyAudit(self.store, self.keys)
        return Verify(ledger, self.journal, counters, self.clock, holds=self.holds)

    def reprice(self, book: PriceBook) -> Reprice:
        """The use case that prices entries anew; the world must be one that books."""
        return Reprice(PostgresRepricing(self.pool, self.queries), book, self.clock, limits=self.intake_limits())

    def reconcile(self, book: PriceBook) -> Reconcile:
        """The use case that lays a provider's report beside the ledger."""
        return Reconcile(PostgresBookings(self.pool, self.queries), book)

    def statements(self) -> Statements:
        """The use case that makes statements."""
        return Statements(PostgresStatements(self.pool, self.queries), self.clock)

    def closing(self) -> Closing:
        """The use case that closes periods."""
        return Closing(PostgresStatements(self.pool, self.queries), self.clock, self._tenancy_now)

    def raiser(self, partition: int) -> Raiser:
        """The raiser of one partition's alerts."""
        return Raiser(
            partition,
            self.alerts,
            self.clock,
            self.metrics,
            lambda: self.directory.tenancy,
            settings=RaiserSettings(burn_rate_minutes=self.settings.alert_burn_rate_minutes),
        )

    def follower(self, partition: int) -> Follower:
        """The follower of one partition's rollups."""
        return Follower(partition, self.views, self.clock, self.metrics)

    def deliverer(self) -> Deliverer:
        """The use case that carries alerts to their hooks."""
        return Deliverer(self.alerts, self.sender, self.clock, self.metrics, settings=DeliverySettings())

    def drain(self, partition: int) -> Drain:
        """The drain of one partition."""
        return Drain(
            partition,
            self.journal,
            self.ledger,
            self.clock,
            self.metrics,
            rebuild=self.rebuild(),
            settings=DrainSettings(batch_events_max=self.settings.drain_batch_events_max),
        )


def ceiling_of(settings: Settings) -> Ceiling:
    """What a model without a price is taken to cost."""
    return Ceiling(
        input_usd_per_mtok=settings.unpriced_input_usd_per_mtok,
        output_usd_per_mtok=settings.unpriced_output_usd_per_mtok,
    )


def connect_valkey(settings: Settings) -> "Redis":
    """A client that neither pings nor selects: some providers' ACLs grant neither.

    It tells the name of its library on connecting and ignores a refusal.
    """
    return Redis.from_url(
        settings.valkey_url,
        connection_class=PackingConnection,
        socket_timeout=settings.valkey_timeout_s,
        socket_connect_timeout=settings.valkey_timeout_s,
        # One more try on a connection that a restarted server has closed; anything else is the caller's decision.
        retry=Retry(NoBackoff(), 1, supported_errors=(ValkeyConnectionError,)),
        health_check_interval=0,
        max_connections=256,
    )
