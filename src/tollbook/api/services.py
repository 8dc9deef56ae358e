"""What the HTTP handlers are given: use cases and ports, built elsewhere."""

from typing import Protocol

import msgspec

from tollbook.domain.limits import IntakeLimits
from tollbook.pipeline.accept import Ack, Intake
from tollbook.pipeline.directory import Directory
from tollbook.pipeline.resolve import Resolver
from tollbook.ports.clock import Clock
from tollbook.ports.config import Config
from tollbook.ports.journal import Journal
from tollbook.ports.reading import Reading
from tollbook.ports.received import ReceivedLog
from tollbook.telemetry import Telemetry


class MetricsPage(Protocol):
    """Renders what has been recorded so far."""

    def render(self) -> bytes:
        """The Prometheus text exposition of this process and its siblings."""
        ...


class Services(msgspec.Struct):
    """The API's world."""

    directory: Directory
    intake: Intake
    resolver: Resolver
    journal: Journal
    received: ReceivedLog
    config: Config
    reading: Reading
    clock: Clock
    telemetry: Telemetry
    metrics: MetricsPage
    limits: IntakeLimits
    ack: Ack = "journal"
