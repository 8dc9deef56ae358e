"""What the pages are given: use cases and ports, built elsewhere."""

import msgspec

from tollbook.enforcement.gate import Gate
from tollbook.enforcement.limits import LimitKeeper
from tollbook.enforcement.watch import Watch
from tollbook.pipeline.directory import Directory
from tollbook.ports.alerts import AlertStore
from tollbook.ports.changes import Changes
from tollbook.ports.clock import Clock
from tollbook.ports.config import Config
from tollbook.ports.finding import Finding
from tollbook.ports.journal import Journal
from tollbook.ports.prices import PriceStore
from tollbook.ports.reading import Reading
from tollbook.ports.refusals import RefusalStore
from tollbook.ports.sessions import Sessions
from tollbook.ports.sources import SourceStore
from tollbook.ports.spans import SpanStore
from tollbook.telemetry import Telemetry
from tollbook.views.desk import PriceShelf


class Site(msgspec.Struct):
    """The world of the pages."""

    directory: Directory
    sessions: Sessions
    reading: Reading
    journal: Journal
    alerts: AlertStore
    watch: Watch
    clock: Clock
    telemetry: Telemetry
    config: Config
    budgets: LimitKeeper
    finding: Finding
    changes: Changes
    refusals: RefusalStore
    sources: SourceStore
    spans: SpanStore
    price_store: PriceStore
    prices: PriceShelf
    gate: Gate
