"""What views ask beyond sums: who is dearest, how tenants stand, which meters refuse; and the rollups they read."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Literal, NamedTuple, Protocol


class Dearest(NamedTuple):
    """A group of calls; None where it is not grouped by that."""

    tenant: str | None
    agent: str | None
    model: str | None
    calls: int
    cost_nanos: int
    unpriced_nanos: int


class TenantDay(NamedTuple):
    """What is booked of one tenant's local day."""

    tenant: str
    day: date
    calls: int
    cost_nanos: int
    unpriced_nanos: int


class Engaged(NamedTuple):
    """A meter that refuses by what is settled; `limit` is in the meter's unit, `ends_at` None for a run."""

    tenant: str
    meter: str
    budget_id: str
    limit: int
    ends_at: datetime | None


Step = Literal["hour", "day", "month"]
Split = Literal["agent", "model"]


class Part(NamedTuple):
    """What a part of a tenant spent in an hour (UTC), a local day, or a month named by its first; None: all others."""

    at: date | datetime
    part: str | None
    calls: int
    cost_nanos: int


class ViewReading(Protocol):
    """Read-only questions, exact as of the statement. Methods raise `LedgerUnavailable` where Postgres is away."""

    async def dearest(
        self, tenant: str | None, first_day: date, last_day: date, by: Sequence[str], count: int
    ) -> list[Dearest]:
        """The dearest groups of some local days, both included, by any of tenant, agent and model."""
        ...

    async def parts(
        self, tenant: str, first_day: date, last_day: date, *, step: Step, by: Split, names: Sequence[str]
    ) -> list[Part]:
        """A tenant's spend over time, some agents or models by name and the others together; months are whole."""
        ...

    async def tenant_days(self, partitions: Sequence[int], ended_after: datetime) -> list[TenantDay]:
        """Every tenant's days that are open or ended after an instant."""
        ...

    async def tenant_days_of(self, tenant: str, first_day: date) -> list[TenantDay]:
        """One tenant's days from a local day on."""
        ...

    async def tenants(self, after: str, count: int) -> list[str]:
        """Tenants of which anything is booked, by name, behind a name."""
        ...

    async def paces(self, days: Mapping[str, date], since: datetime) -> dict[str, int]:
        """What some tenants' days have come to from the start of a UTC hour on, in nano-dollars; none where nothing."""
        ...

    async def months(self, months: Mapping[str, date]) -> dict[str, int]:
        """What some tenants' months, named by their first day, have come to, in nano-dollars; none where nothing."""
        ...

    async def engaged(self, partitions: Sequence[int], tenant: str | None, now: datetime) -> list[Engaged]:
        """Meters that refuse, the soonest end first."""
        ...

    async def pulse(self) -> tuple[int, int]:
        """Two numbers of which one moves whenever something is booked or configured."""
        ...

    async def booked_since(self, since: datetime) -> int:
        """How many calls were booked since an instant of the last minutes."""
        ...


class Rollups(Protocol):
    """The sums by day and month that follow behind the ledger."""

    async def fold(self, partition: int, versions_max: int) -> int:
        """Add what a partition has booked since; how many of its versions were passed."""
        ...
