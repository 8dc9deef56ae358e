"""What the pages are given: use cases and ports, built elsewhere."""

import msgspec

from tollbook.enforcement.watch import Watch
from tollbook.pipeline.directory import Directory
from tollbook.ports.alerts import AlertStore
from tollbook.ports.clock import Clock
from tollbook.ports.journal import Journal
from tollbook.ports.reading import Reading
from tollbook.ports.sessions import Sessions
from tollbook.telemetry import Telemetry


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
