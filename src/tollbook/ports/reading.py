"""What people and dashboards ask of the ledger."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal, NamedTuple, Protocol

from tollbook.ports.config import BudgetListing

Dimension = Literal["tenant", "day", "hour", "agent", "model"]


class SpendRow(NamedTuple):
    """A sum over entries. `group` holds one value for each dimension asked for, in that order."""

    group: tuple[str | date | datetime, ...]
    calls: int
    cost_nanos: int
    unpriced_nanos: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int


class EntryRow(NamedTuple):
    """One entry as the ledger keeps it. `standing` is of `domain.observation`; `calls` is -1 for a reversal.

    `nth`: which correction of its call it is, None for the first entry."""

    entry_id: str
    ts: datetime
    tenant: str
    agent: str
    model: str
    provider: str | None
    source: str
    run: str | None
    event_id: str | None
    call_id: str | None
    service_tier: str | None
    tags: dict[str, str] | None
    input: int
    output: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    reasoning: int
    cost_nanos: int
    reported_nanos: int | None
    price_id: int | None
    flags: int
    day: date
    corrects: str | None
    units: dict[str, int] | None
    standing: int
    calls: int
    context: dict[str, str] | None
    hold: str | None
    nth: int | None


class RunRow(NamedTuple):
    """What one agent instance spent on one model within a run."""

    agent: str
    model: str
    calls: int
    cost_nanos: int
    unpriced_nanos: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int
    first_ts: datetime
    last_ts: datetime


class DayTotal(NamedTuple):
    """The committed total of one tenant's day."""

    cost_nanos: int
    calls: int
    unpriced_nanos: int


class Reading(Protocol):
    """Read-only questions. Methods raise `LedgerUnavailable` where Postgres is away."""

    async def spend(
        self, tenant: str | None, first_day: date, last_day: date, by: Sequence[Dimension], rows_max: int = 100_000
    ) -> list[SpendRow]:
        """Sums over the tenants' local days first_day..last_day, both included, grouped by the dimensions.

        At most `rows_max` of them, in the order tenant, day, hour, agent, model.
        """
        ...

    async def call(self, tenant: str | None, call: str, now: datetime) -> list[EntryRow]:
        """The entries of one call, the original first, then its corrections as they were made."""
        ...

    async def run(self, tenant: str | None, run: str) -> list[tuple[str, RunRow]]:
        """(tenant, row) for every agent instance and model of a run."""
        ...

    async def day(self, tenant: str, day: date) -> DayTotal:
        """The committed total of a tenant's day; zeros where nothing was booked."""
        ...

    async def limit(self, tenant: str) -> int:
        """The daily limit in force, nano-dollars: the tenant's own or the default."""
        ...

    async def daily(self, tenant: str | None) -> BudgetListing:
        """The daily limit in force with who set it and when; its budget's `tenant` is None where it is the default."""
        ...

    async def lag_s(self) -> float:
        """Seconds since the oldest inbox record was received; 0 where the inbox is empty."""
        ...
