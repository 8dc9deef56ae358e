"""Telemetry records as Prometheus metrics and structured log lines."""

import logging
import sys
from collections.abc import Iterator
from typing import TextIO, assert_never, cast

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from structlog.typing import Processor

from tollbook.api.services import Backlog
from tollbook.domain.source import SourceState
from tollbook.telemetry import (
    VERDICTS,
    Accepted,
    AlertRaised,
    AlertSent,
    Decided,
    Drained,
    LoopFailed,
    PricesAdopted,
    PricesRefused,
    PricesStand,
    Rebuilt,
    Rejected,
    Settled,
    SourceGap,
    SourcePolled,
    StoreTrouble,
    TelemetryRecord,
    Throttled,
    Unpriced,
)

_BATCH_EVENTS = (1, 10, 100, 500, 1_000, 2_000, 5_000, 10_000, 20_000)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class _StandardError:
    """Standard error as it is at each moment: a progress bar stands in for it, so that lines go above the bar."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure_logs(level: str, log_format: str) -> None:
    """Log lines as JSON, one a line on standard error, or as text for a terminal; those of libraries too."""
    as_text = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    renderer = structlog.processors.JSONRenderer() if log_format == "json" else as_text
    named: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*named, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    structlog.configure(
        processors=[*named, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _StandardError())),
    )


class _Standing(Collector):
    """What waits at the moment of the scrape; asked of the stores, so the same on every page."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog

    def collect(self) -> Iterator[Metric]:
        """Gauges of the backlog; a store that did not answer has none."""
        records = GaugeMetricFamily(
            "tollbook_journal_records", "Records in the journal, not yet drained", labels=["partition"]
        )
        age = GaugeMetricFamily(
            "tollbook_journal_oldest_seconds", "Drain lag: age of the oldest record", labels=["partition"]
        )
        for partition, depth in self._backlog.journal.items():
            if depth is not None:
                records.add_metric([str(partition)], depth.records)
                age.add_metric([str(partition)], depth.oldest_ms / 1000)
        yield records
        yield age
        if self._backlog.inbox_s is not None:
            yield GaugeMetricFamily(
                "tollbook_inbox_oldest_seconds", "Age of the oldest inbox record", value=self._backlog.inbox_s
            )


class _PriceMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.age = Gauge(
            "tollbook_price_data_age_seconds",
            "Seconds since this ledger first saw the price data in force",
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.waiting = Gauge(
            "tollbook_prices_waiting",
            "1 while a price book waits to be accepted",
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.refused = Counter(
            "tollbook_prices_refused", "Price books not taken: wrong, or moving prices too far", registry=registry
        )


class Metrics:
    """Implements `telemetry.Telemetry` and `api.services.MetricsPage`.

    With a shared directory (`PROMETHEUS_MULTIPROC_DIR`, read by the Prometheus client) a page shows every process of
    the tree: several receivers and the drains.
    """

    def __init__(self, shared_dir: str | None = None) -> None:
        self._shared_dir = shared_dir
        self.registry = registry = CollectorRegistry()
        self._log = structlog.get_logger("tollbook")
        accepted = Counter(
            "tollbook_events_accepted", "Events acknowledged, by where they were kept", ["via"], registry=registry
        )
        self.accepted = {via: accepted.labels(via) for via in ("journal", "inbox")}
        self.kept = Histogram(
            "tollbook_accept_seconds",
            "Seconds that the first event of a record waited until it was kept",
            registry=registry,
            buckets=_SECONDS,
        )
        self.rejected = Counter(
            "tollbook_items_rejected", "Items of requests refused, by code", ["code"], registry=registry
        )
        self.unpriced = Counter(
            "tollbook_events_unpriced", "Requests with events of a model without a price", registry=registry
        )
        self.throttled = Counter(
            "tollbook_records_throttled", "Records that found their tenant over its limit", registry=registry
        )
        decided = Counter(
            "tollbook_gate_decisions", "Decisions of the gate, by verdict", ["verdict"], registry=registry
        )
        self.decided = {verdict: decided.labels(verdict) for verdict in VERDICTS}
        self.decision_seconds = Histogram(
            "tollbook_gate_decision_seconds", "Seconds a decision took", registry=registry, buckets=_SECONDS
        )
        drained = Counter(
            "tollbook_events_drained", "Events by what the ledger did with them", ["outcome"], registry=registry
        )
        self.drained = {
            outcome: drained.labels(outcome) for outcome in ("new", "duplicate", "correction", "conflict", "dead")
        }
        self.batch_events = Histogram(
            "tollbook_drain_batch_events", "Events a ledger transaction", registry=registry, buckets=_BATCH_EVENTS
        )
        self.batch_seconds = Histogram(
            "tollbook_drain_batch_seconds", "Seconds a ledger transaction", registry=registry, buckets=_SECONDS
        )
        self.fence = Gauge(
            "tollbook_settled_version",
            "Ledger version the counters are set to",
            ["partition"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.rebuilds = Counter("tollbook_rebuilds", "Rebuilds of a partition's counters", registry=registry)
        self.troubles = Counter("tollbook_store_troubles", "Times a store failed us", ["store"], registry=registry)
        self.loop_failures = Counter(
            "tollbook_loop_failures", "Unexpected failures of a supervised loop", ["loop"], registry=registry
        )

        self.alerts = Counter("tollbook_alerts", "Alerts raised, by kind", ["kind"], registry=registry)
        self.alert_attempts = Counter(
            "tollbook_alert_deliveries", "Attempts to deliver an alert, by outcome", ["outcome"], registry=registry
        )
        self.source_polls = Counter(
            "tollbook_source_polls", "Readings of an inbox, by what they found", ["source", "state"], registry=registry
        )
        self.source_requests = Counter(
            "tollbook_source_requests", "New requests found in an inbox", ["source"], registry=registry
        )
        self.source_gaps = Counter(
            "tollbook_source_gaps", "Times that an inbox may have dropped requests", ["source"], registry=registry
        )

        self.prices = _PriceMetrics(registry)

    def render(self, backlog: Backlog) -> bytes:
        """The Prometheus text exposition of this process and its siblings, and of what waits."""
        standing = CollectorRegistry()
        standing.register(_Standing(backlog))
        if self._shared_dir is None:
            return generate_latest(self.registry) + generate_latest(standing)
        together = CollectorRegistry()
        MultiProcessCollector(together, path=self._shared_dir)  # type: ignore[no-untyped-call]
        return generate_latest(together) + generate_latest(standing)

    def record(self, happened: TelemetryRecord) -> None:
        """Count one record and log what an operator wants to see."""
        match happened:
            case Accepted(events, via, seconds):
                self.accepted[via].inc(events)
                self.kept.observe(seconds)
            case Rejected(items, code):
                self.rejected.labels(code).inc(items)
            case Unpriced(tenant, model):
                self.unpriced.inc()
                self._log.debug("model has no price", tenant=tenant, model=model)
            case Throttled(tenant):
                self.throttled.inc()
                self._log.debug("tenant is over its limit", tenant=tenant)
            case Decided(verdict, seconds):
                self.decided[verdict].inc()
                self.decision_seconds.observe(seconds)
            case Drained():
                self._record_drained(happened)
            case Settled(partition, fence, _):
                self.fence.labels(str(partition)).set(fence)
            case Rebuilt(partition, days, seconds):
                self.rebuilds.inc()
                self._log.warning("counters rebuilt", partition=partition, days=days, seconds=round(seconds, 3))
            case StoreTrouble() | LoopFailed():
                self._record_failure(happened)
            case AlertRaised() | AlertSent() | PricesAdopted() | PricesRefused() | PricesStand():
                self._record_told(happened)
            case SourcePolled() | SourceGap():
                self._record_source(happened)
            case _ as never:
                assert_never(never)

    def _record_told(self, happened: AlertRaised | AlertSent | PricesAdopted | PricesRefused | PricesStand) -> None:
        match happened:
            case AlertRaised() | AlertSent():
                self._record_alert(happened)
            case PricesAdopted(version, digest, cards):
                self._log.info("prices in force", version=version, digest=digest, cards=cards)
            case PricesRefused(digest, why):
                self.prices.refused.inc()
                self._log.error("prices refused", digest=digest, why=why)
            case PricesStand(age_s, waiting):
                self.prices.age.set(age_s)
                self.prices.waiting.set(int(waiting))

    def _record_alert(self, happened: AlertRaised | AlertSent) -> None:
        if isinstance(happened, AlertRaised):
            self.alerts.labels(happened.kind).inc()
            facts = {name: value for name, value in happened.facts.items() if name != "tenant"}
            named = {"kind": happened.kind, "tenant": happened.tenant, "alert_id": happened.alert_id}
            self._log.warning("alert", text=happened.text, **named, deliveries=happened.deliveries, facts=facts)
            return
        self.alert_attempts.labels(happened.outcome).inc()
        named = {"kind": happened.kind, "alert_id": happened.alert_id, "hook_id": happened.hook_id}
        told = {**named, "outcome": happened.outcome, "attempts": happened.attempts, "detail": happened.detail[:300]}
        if happened.outcome in ("dead", "disabled"):
            self._log.error("alert not delivered", **told)
        elif happened.outcome == "postponed":
            self._log.warning("alert is sent later", **told)
        else:
            self._log.info("alert delivered", **told)

    def _record_failure(self, happened: StoreTrouble | LoopFailed) -> None:
        if isinstance(happened, StoreTrouble):
            self.troubles.labels(happened.store).inc()
            self._log.warning("store trouble", store=happened.store, what=happened.what, detail=happened.detail[:300])
            return
        self.loop_failures.labels(happened.loop).inc()
        self._log.error("loop failed", loop=happened.loop, detail=happened.detail[:2000])

    def _record_source(self, happened: SourcePolled | SourceGap) -> None:
        if isinstance(happened, SourceGap):
            self.source_gaps.labels(happened.source).inc()
            self._log.error("events may be lost", source=happened.source, detail=happened.detail)
            return
        self.source_polls.labels(happened.source, happened.state).inc()
        self.source_requests.labels(happened.source).inc(happened.requests)
        if happened.state != SourceState.OK:
            self._log.warning("source", source=happened.source, state=happened.state, detail=happened.detail[:300])

    def _record_drained(self, drained: Drained) -> None:
        self.drained["new"].inc(drained.new)
        self.drained["duplicate"].inc(drained.duplicates)
        self.drained["correction"].inc(drained.corrections)
        if drained.conflicts or drained.dead:
            self.drained["conflict"].inc(drained.conflicts)
            self.drained["dead"].inc(drained.dead)
            self._log.error(
                "events in the dead letters",
                partition=drained.partition,
                version=drained.version,
                conflicts=drained.conflicts,
                dead=drained.dead,
            )
        self.batch_events.observe(drained.new + drained.duplicates)
        self.batch_seconds.observe(drained.seconds)
