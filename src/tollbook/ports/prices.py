"""What is asked of a price book; and books as the ledger keeps them: which is in force, what each was compiled from."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from tollbook.ports.config import PriceCard
from tollbook.pricing.quote import TokenRates


class Prices(Protocol):
    """What is asked of a price book by whoever prices a call: the intake, the gate, re-pricing."""

    def rates(
        self,
        provider: str | None,
        model: str,
        service_tier: str | None,
        at: datetime,
        *,
        tenant: str | None = None,
        context: Mapping[str, str] | None = None,
    ) -> TokenRates:
        """The rates of a call; never None: an unknown model has the ceiling's."""
        ...


class KeptBook(NamedTuple):
    """A price book by its digest. `data` are the release's prices (None: kept by a version that did not keep them),
    `overrides` the text of its prices.toml; `refused` says what moved too far while it waits to be accepted."""

    digest: str
    version: str
    data: bytes | None
    overrides: str
    refused: str | None = None
    accepted_at: datetime | None = None
    accepted_by: str | None = None


class BookListing(NamedTuple):
    """A kept price book as it is listed; the one in force was accepted last."""

    digest: str
    version: str
    cards: int
    overrides: str
    refused: str | None
    accepted_at: datetime | None
    accepted_by: str | None
    created_at: datetime


class PriceStore(Protocol):
    """Every call may raise `StoreError`."""

    async def card(self, price_id: int) -> PriceCard | None:
        """A rate card as entries refer to it."""
        ...

    async def books(self, count: int) -> list[BookListing]:
        """The kept books: the one in force, those before it, then those that wait."""
        ...

    async def keep(self, book: KeptBook, cards: Iterable[PriceCard]) -> bool:
        """Keep a book and its cards; False where it was there already."""
        ...

    async def in_force(self) -> KeptBook | None:
        """The book accepted last; None before the first."""
        ...

    async def named(self, digest: str) -> list[KeptBook]:
        """At most two books whose digest begins so."""
        ...

    async def accept(self, digest: str, by: str, now: datetime) -> bool:
        """Put a kept book in force; False where there is none of this digest."""
        ...

    async def refuse(self, digest: str, why: str) -> None:
        """Keep why a book waits to be accepted."""
        ...

    async def data_since(self, version: str) -> datetime | None:
        """When a release of the price data was first seen here."""
        ...
