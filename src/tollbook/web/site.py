"""What the pages are given: use cases and ports, built elsewhere."""

import msgspec

from tollbook.enforcement.gate import Gate
from tollbook.enforcement.limits import LimitKeeper
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
from tollbook.views.fleet import FleetView
from tollbook.views.tenant import TenantView


class Site(msgspec.Struct):
    """The world of the pages."""

    directory: Directory
    sessions: Sessions
    reading: Reading
    fleet: FleetView
    tenant: TenantView
    alerts: AlertStore
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
    journal: Journal
