"""What `verify` asks of both stores: sums recomputed from entries, and the counters as the outside sees them."""

from collections.abc import Mapping, Sequence, Set
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple, Protocol


class LedgerEquation(StrEnum):
    """What must hold within the ledger itself."""

    DAILY_SPEND = "daily_spend"
    ROLLUP_HOUR = "rollup_hour"
    ROLLUP_DAY = "rollup_day"
    RUN_TOTAL = "run_total"
    ENTRY_ONCE = "entry_once"
    CORRECTIONS = "corrections"
    ENTRY_IDENTITY = "entry_identity"
    IDENTITY_ENTRY = "identity_entry"
    PRICE = "price"
    VERSION = "version"
    METER_TOTAL = "meter_total"
    STATEMENT = "statement"


class Comparison(NamedTuple):
    """Both sides summed, how many keys differ, and some of them in words."""

    left: int
    right: int
    differing: int
    samples: tuple[str, ...]


class SettledDays(NamedTuple):
    """Committed totals of some days and the version of the partition they are true for."""

    version: int
    nanos: Mapping[tuple[str, date], int]


class SettledMeters(NamedTuple):
    """Committed totals of some meters and the version of the partition they are true for."""

    version: int
    totals: Mapping[tuple[str, str], int]


class Limits(NamedTuple):
    """The daily limits in force, nano-dollars, and whose flag other budgets may raise ('' is everyone's)."""

    default_nanos: int
    own_nanos: Mapping[str, int]
    watched: Set[str] = frozenset()

    def of(self, tenant: str) -> int:
        """The tenant's own limit or the default."""
        return self.own_nanos.get(tenant, self.default_nanos)

    def watches(self, tenant: str) -> bool:
        """Whether the tenant's flag may stand for another budget than its day's."""
        return not self.watched.isdisjoint({tenant, ""})


class LedgerAudit(Protocol):
    """Methods raise `LedgerUnavailable` where Postgres is away."""

    async def compare(self, since: date | None, now: datetime) -> dict[LedgerEquation, Comparison]:
        """Recompute every equation under one snapshot; `since` leaves out what belongs to earlier days."""
        ...

    async def settled(self, partition: int, days: Sequence[tuple[str, date]]) -> SettledDays:
        """Totals and version under one snapshot; a day in which nothing is booked is left out."""
        ...

    async def open_days(self, partition: int, now: datetime) -> list[tuple[str, date]]:
        """Days of a partition in which something is booked and whose window has not ended."""
        ...

    async def settled_meters(self, partition: int, meters: Sequence[tuple[str, str]]) -> SettledMeters:
        """Totals of meters and version under one snapshot; one in which nothing is booked is left out."""
        ...

    async def open_meters(self, partition: int, now: datetime) -> list[tuple[str, str]]:
        """Meters of a partition whose window has not ended, but runs."""
        ...

    async def limits(self) -> Limits:
        """The limits as configured."""
        ...


class KeptDay(NamedTuple):
    """One day as the counters have it. `settled_nanos` is None where the total of a closed day was swept."""

    settled_nanos: int | None
    pending_nanos: int
    held_nanos: int
    limit_nanos: int | None
    window_ms: tuple[int, int] | None
    throttled: bool
    spend_cents: int | None


class Kept(NamedTuple):
    """An answer of `kept`, true at one instant; `fence` is the version up to which totals are set."""

    complete: bool
    fence: int
    days: tuple[KeptDay, ...]


class CountersAudit(Protocol):
    """Methods raise `JournalUnavailable` where Valkey is away."""

    async def kept(self, partition: int, days: Sequence[tuple[str, date]]) -> Kept:
        """Some days of a partition with the fence, the flags and the spend keys beside them."""
        ...
