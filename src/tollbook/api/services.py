"""What the HTTP handlers are given: use cases and ports, built elsewhere."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import msgspec

from tollbook.domain.limits import IntakeLimits
from tollbook.enforcement.gate import Gate
from tollbook.enforcement.limits import LimitKeeper
from tollbook.enforcement.watch import Watch
from tollbook.ingest.mapping import MappingBook
from tollbook.pipeline.accept import Ack, Intake
from tollbook.pipeline.directory import Directory
from tollbook.pipeline.resolve import Resolver
from tollbook.pipeline.traces import Traces
from tollbook.ports.alerts import AlertStore
from tollbook.ports.changes import Changes
from tollbook.ports.clock import Clock
from tollbook.ports.config import Config
from tollbook.ports.finding import Finding
from tollbook.ports.journal import Depth, Journal
from tollbook.ports.prices import PriceStore
from tollbook.ports.reading import Reading
from tollbook.ports.received import ReceivedLog
from tollbook.ports.refusals import RefusalStore
from tollbook.ports.sources import SourceStore
from tollbook.ports.spans import SpanStore
from tollbook.statements.closing import Closing
from tollbook.statements.statement import Statements
from tollbook.telemetry import Telemetry
from tollbook.views.desk import PriceShelf
from tollbook.views.fleet import FleetView


class Backlog(NamedTuple):
    """What waits at this moment: records and the age of the oldest by partition, and the oldest of the inbox.

    None stands for a store that does not answer.
    """

    journal: Mapping[int, Depth | None]
    inbox_s: float | None


class MetricsPage(Protocol):
    """Renders what has been recorded so far."""

    def render(self, backlog: Backlog) -> bytes:
        """The Prometheus text exposition of this process and its siblings, and of what waits."""
        ...


class Services(msgspec.Struct):
    """The API's world. `metrics_alone`: sums from OTLP metrics count where they name no session, too."""

    directory: Directory
    intake: Intake
    resolver: Resolver
    journal: Journal
    received: ReceivedLog
    config: Config
    budgets: LimitKeeper
    reading: Reading
    alerts: AlertStore
    clock: Clock
    telemetry: Telemetry
    metrics: MetricsPage
    limits: IntakeLimits
    gate: Gate
    watch: Watch
    prices: PriceShelf
    traces: Traces
    spans: SpanStore
    finding: Finding
    changes: Changes
    refusals: RefusalStore
    sources: SourceStore
    price_store: PriceStore
    fleet: FleetView
    statements: Statements
    periods: Closing
    metrics_alone: bool = False
    ack: Ack = "journal"
    mappings: MappingBook = MappingBook()
