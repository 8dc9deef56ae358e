"""What re-pricing asks of the ledger."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple, Protocol

from tollbook.domain.event import Event


class Range(NamedTuple):
    """Which entries are looked at: those of calls in `[since, until)`, of one tenant or model where named."""

    since: datetime
    until: datetime
    tenant: str | None = None
    model: str | None = None


class Standing(NamedTuple):
    """An entry that stands: where it is, what it is of, and what it costs by the book it was priced with."""

    ts: datetime
    entry_id: str
    event: Event
    day: date
    cost_nanos: int
    price_id: int | None
    flags: int
    reported_nanos: int | None


class Repriced(NamedTuple):
    """The price of today for an entry that stands."""

    ts: datetime
    entry_id: str
    cost_nanos: int
    price_id: int | None
    flags: int


class Repricing(Protocol):
    """Methods raise `LedgerUnavailable` where Postgres is away."""

    async def count(self, partition: int, within: Range) -> int:
        """How many entries stand there."""
        ...

    async def page(
        self, partition: int, within: Range, after: tuple[datetime, str] | None, count: int
    ) -> list[Standing]:
        """Up to `count` entries that stand, in the order of their time, behind one of them."""
        ...

    async def reprice(self, partition: int, repriced: Sequence[Repriced], now: datetime) -> int:
        """Replace those that still stand, in one transaction of the partition; how many were."""
        ...
