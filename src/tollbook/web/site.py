"""What the pages are given: use cases and ports, built elsewhere."""

import msgspec

from tollbook.pipeline.directory import Directory
from tollbook.ports.alerts import AlertStore
from tollbook.ports.clock import Clock
from tollbook.ports.reading import Reading
from tollbook.ports.sessions import Sessions
from tollbook.telemetry import Telemetry
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
