"""What waits between a receiver and the ledger, and the counters beside it."""

from collections.abc import Sequence
from datetime import date
from enum import IntEnum
from typing import NamedTuple, Protocol

from tollbook.domain.record import Journalled, MeterTotal, Record, Touch


class PostCode(IntEnum):
    """First number of post.lua's answer."""

    POSTED = 0
    POSTED_COLD = 1
    REFUSED_OVERFLOW = 2


class SettleCode(IntEnum):
    """First number of settle.lua's answer."""

    SETTLED = 0
    INCOMPLETE = 1
    BEHIND = 2
    OTHER_EPOCH = 3


class Posted(NamedTuple):
    """What became of a record. `throttled` names tenants over their limit after it."""

    code: PostCode
    place: str
    throttled: tuple[str, ...]


class Settlement(NamedTuple):
    """What the ledger committed in versions (from_version, to_version], as settle.lua takes it.

    `totals` must hold every total changed in those versions; `records` the records that may go.
    """

    ledger_epoch: str
    from_version: int
    to_version: int
    totals: Sequence[Touch]
    records: Sequence[Journalled]
    read_at_ms: int | None = None
    meters: Sequence[MeterTotal] = ()
    holds: Sequence[tuple[str, str]] = ()


class Settled(NamedTuple):
    """Where the counters stand after a settle: up to which version they are set."""

    code: SettleCode
    fence: int
    removed: int


class Limit(NamedTuple):
    """A daily limit; `tenant` None is everyone's default, `limit_nanos` None removes a tenant's own."""

    tenant: str | None
    limit_nanos: int | None
    version: int


class DayView(NamedTuple):
    """One tenant's day as the counters have it; `complete` is False while they are being rebuilt."""

    complete: bool
    settled_nanos: int
    pending_nanos: int
    held_nanos: int
    limit_nanos: int | None
    throttled: bool


class AuditedDay(NamedTuple):
    """One day's counters beside the journal's own sum, taken at one instant."""

    tenant: str
    day: date
    settled_nanos: int
    pending_nanos: int
    held_nanos: int
    journal_nanos: int


class Audit(NamedTuple):
    """An answer of `audit`; `days` is None where the journal was too long to add up."""

    complete: bool
    fence: int
    records: int
    days: tuple[AuditedDay, ...] | None


class Depth(NamedTuple):
    """How much waits in a partition's journal, and for how long the oldest has."""

    records: int
    oldest_ms: int


class Journal(Protocol):
    """Streams and counters of all partitions. Every method raises `JournalUnavailable` where the store is away."""

    async def post(self, record: Record) -> Posted:
        """Journal a record and count it as pending, in one step."""
        ...

    async def read(self, partition: int, after: str, records_max: int) -> list[Journalled]:
        """Records behind the place `after` ('' for the head), oldest first."""
        ...

    async def wait(self, partition: int, after: str, timeout_ms: int) -> bool:
        """Return True once a record stands behind `after`, False after the time-out."""
        ...

    async def settle(self, partition: int, settlement: Settlement) -> Settled:
        """Set totals under the fence and remove drained records."""
        ...

    async def complete(self, partition: int) -> bool:
        """Whether the counters of the partition are complete: the epoch key is there."""
        ...

    async def now_ms(self, partition: int) -> int:
        """The store's clock."""
        ...

    async def rebuild_begin(self, partition: int, token: str) -> bool:
        """Start a rebuild; False where there is nothing to rebuild."""
        ...

    async def rebuild_load(self, partition: int, token: str, totals: Sequence[Touch]) -> bool:
        """Restore some totals; False: start over."""
        ...

    async def rebuild_clear(self, partition: int, token: str, days: Sequence[tuple[str, date]]) -> bool:
        """Take away the settled totals of days that the ledger does not have; False: start over."""
        ...

    async def rebuild_open(
        self, partition: int, token: str, *, ledger_epoch: str, version: int, quarantine_ms: int
    ) -> bool:
        """Declare the counters complete up to `version`; False: start over."""
        ...

    async def forget(self, partition: int) -> None:
        """Declare the counters of the partition incomplete, so that the drain rebuilds them."""
        ...

    async def limit(self, partition: int, limits: Sequence[Limit]) -> int:
        """Put limits beside the meters; returns how many were newer than what stood there."""
        ...

    async def forget_limits(self, partition: int) -> None:
        """Take every limit of the partition away, whatever its version, before the restored ledger's are put back."""
        ...

    async def open_days(self, partition: int, after: int, count: int) -> tuple[int, list[tuple[str, date]]]:
        """A page of the days kept, and the cursor of the next (0: no more)."""
        ...

    async def closed_days(self, partition: int, kept_ms: int, count: int) -> list[tuple[str, date]]:
        """Days whose window closed more than `kept_ms` ago."""
        ...

    async def evaluate(self, partition: int, days: Sequence[tuple[str, date]]) -> int:
        """Write anew what the outside sees of some days; how many of their tenants are throttled."""
        ...

    async def sweep(self, partition: int, kept_ms: int, days: Sequence[tuple[str, date]]) -> int:
        """Delete meters long closed in which nothing is pending or held."""
        ...

    async def view(self, partition: int, tenant: str, day: date) -> DayView:
        """One tenant's day."""
        ...

    async def audit(self, partition: int, days: Sequence[tuple[str, date]], records_max: int) -> Audit:
        """Counters of some days beside what the journal holds for them."""
        ...

    async def depth(self, partition: int) -> Depth:
        """How much waits."""
        ...
