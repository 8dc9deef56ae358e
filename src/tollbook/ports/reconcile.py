"""A provider's own report of what it charges, and what the ledger has beside it."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple, Protocol


class Item(NamedTuple):
    """A line of a provider's report, of one UTC day. What a report does not tell is None.

    `model` None is a charge that no model is named for; `input` holds cached tokens and cache writes; `tier` is the
    service tier where it is not the standard one.
    """

    day: date
    model: str | None
    what: str
    cost_nanos: int | None = None
    calls: int | None = None
    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output: int | None = None
    tier: str | None = None


class Report(NamedTuple):
    """Items of some UTC days. `step_nanos` is what the provider rounds an item to; `remarks` are its own limits."""

    items: tuple[Item, ...]
    step_nanos: int = 1
    remarks: tuple[str, ...] = ()

    def plus(self, other: "Report") -> "Report":
        """Both reports as one: costs from one, usage from another."""
        remarks = dict.fromkeys((*self.remarks, *other.remarks))
        return Report((*self.items, *other.items), max(self.step_nanos, other.step_nanos), tuple(remarks))


class Booked(NamedTuple):
    """What the ledger has of one UTC day, provider, model and service tier: sums over entries.

    Parts of `cost_nanos`: estimated counts, sums seen as aggregates or metrics, cards with a discount.
    """

    day: date
    provider: str | None
    model: str
    tier: str | None
    calls: int
    cost_nanos: int
    input: int
    cache_read: int
    cache_write: int
    output: int
    unpriced_nanos: int
    estimated_nanos: int
    aggregate_nanos: int
    discounted_nanos: int


class Bookings(Protocol):
    """Raises `LedgerUnavailable` where Postgres is away."""

    async def booked(self, first_day: date, last_day: date, tenant: str | None) -> Sequence[Booked]:
        """Sums of some UTC days, both included, of one tenant or of all."""
        ...


class Sellers(Protocol):
    """What names mean, by the price book."""

    def seller_of(self, provider: str | None, model: str) -> tuple[str, str] | None:
        """Who sells what a reported pair of names means, and the model's own id; None where nothing tells."""
        ...
