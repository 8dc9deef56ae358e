"""What views and changes are made from; the worlds of the routes and of the pages both have it."""

from typing import Protocol

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
from tollbook.ports.sources import SourceStore
from tollbook.ports.spans import SpanStore
from tollbook.pricing.book import PriceBook


class PriceShelf(Protocol):
    """Where the price book in force stands."""

    @property
    def book(self) -> PriceBook:
        """The book in force."""


class Desk(Protocol):
    """Ports and use cases, built elsewhere."""

    @property
    def directory(self) -> Directory:
        """Keys and tenancy in memory."""

    @property
    def config(self) -> Config:
        """Keys, budgets and zones as they are kept."""

    @property
    def budgets(self) -> LimitKeeper:
        """Puts changed budgets in force."""

    @property
    def reading(self) -> Reading:
        """Sums."""

    @property
    def finding(self) -> Finding:
        """Single entries and runs."""

    @property
    def changes(self) -> Changes:
        """The audit trail."""

    @property
    def refusals(self) -> RefusalStore:
        """What the gate refused."""

    @property
    def alerts(self) -> AlertStore:
        """Alerts and their hooks."""

    @property
    def sources(self) -> SourceStore:
        """Inboxes that are fetched."""

    @property
    def spans(self) -> SpanStore:
        """Kept spans."""

    @property
    def price_store(self) -> PriceStore:
        """Price books and rate cards as they are kept."""

    @property
    def prices(self) -> PriceShelf:
        """The price book in force."""

    @property
    def gate(self) -> Gate:
        """Open holds."""

    @property
    def journal(self) -> Journal:
        """What waits."""

    @property
    def clock(self) -> Clock:
        """The present instant."""
