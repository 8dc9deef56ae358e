"""What statements and closes of periods ask of the ledger."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from tollbook.domain.period import Period, PeriodBounds


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What one agent (its path of roles) spent on one model at one rate card.

    `period` is that of the calls; `corrects` says that the entries correct others of a period closed before. Counts and
    nano-dollars are sums over entries, so that a correction takes away. `price_id` None is the ceiling's price.
    """

    period: str
    corrects: bool
    agent: str
    model: str
    provider: str | None
    price_id: int | None
    entries: int
    calls: int
    cost_nanos: int
    unpriced_nanos: int
    estimated_nanos: int
    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    reasoning: int
    units_unpriced: int
    context_unknown: int
    units: dict[str, int]


class Close(NamedTuple):
    """A period that was closed. `tenant` None is everyone; `versions` are those of partition 0, 1, ..."""

    close_id: int
    period: Period
    tenant: str | None
    versions: tuple[int, ...]
    closed_at: datetime
    closed_by: str


class CloseListing(NamedTuple):
    """A close with how many of its statements are kept, and their sum."""

    close: Close
    statements: int
    cost_nanos: int


class Lines(NamedTuple):
    """What a statement is made of. `close` None: the period is open, and what follows may still change.

    `before` is the close of the period before; `sealed` the bounds and the digest of a statement that is kept.
    """

    lines: Sequence[Line]
    close: Close | None
    before: Close | None
    first_ts: datetime | None
    last_ts: datetime | None
    sealed: tuple[PeriodBounds, bytes] | None


class Rates(NamedTuple):
    """A rate card as the ledger keeps it; `terms` is its JSON text."""

    provider: str
    model: str
    terms: str


class StatementStore(Protocol):
    """Every call may raise `StoreError`."""

    async def lines(self, tenant: str, period: Period) -> Lines:
        """A tenant's lines of a period under one snapshot; as they were kept, where they are.

        Raises `StatementAltered` where what is kept does not have its digest.
        """
        ...

    async def rates(self, price_ids: Sequence[int]) -> Mapping[int, Rates]:
        """Rate cards by their ids."""
        ...

    async def close(self, tenant: str | None, period: Period, by: str, now: datetime) -> tuple[Close, bool]:
        """Close a period for a tenant or for everyone (None); the close it has, and whether it is a new one."""
        ...

    async def closes(self, tenant: str | None) -> list[CloseListing]:
        """Closes, newest period first: all, or those that a tenant has."""
        ...

    async def unsealed(self, close: Close, period: Period, after: str, count: int) -> list[str]:
        """Up to `count` tenants behind `after` whose statement of a closed period is not kept yet."""
        ...

    async def seal(self, tenant: str, period: Period, bounds: PeriodBounds) -> bool:
        """Keep a closed period's statement; False where the period is open. One that is kept stays as it is."""
        ...
