"""Where committed truth lives."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple, Protocol

from tollbook.domain.record import InboxRecord, MeterTotal, Record, Touch


class Batch(NamedTuple):
    """What one ledger transaction books: records' nonces and rows, and the inbox rows it takes out."""

    nonces: Sequence[bytes]
    rows: Sequence[bytes]
    inbox_ids: Sequence[int]
    events: int


class Booked(NamedTuple):
    """A committed transaction: its version, the totals it changed, and what it found already there."""

    ledger_epoch: str
    version: int
    totals: tuple[Touch, ...]
    new: int
    duplicates: int
    conflicts: int
    dead: int
    meters: tuple[MeterTotal, ...] = ()
    holds: tuple[tuple[str, str], ...] = ()
    """(tenant, hold) as the events write it, with the number of a part: none of them is open any more."""
    corrections: int = 0
    """Correcting entries that were written, reversals and replacements."""


class CatchUp(NamedTuple):
    """Every total changed after a version, true as of `version`. `gap`: some of what changed is forgotten."""

    ledger_epoch: str
    version: int
    totals: tuple[Touch, ...]
    gap: bool = False
    meters: tuple[MeterTotal, ...] = ()
    holds: tuple[tuple[str, str], ...] = ()


class MeterTotals(NamedTuple):
    """Settled totals of some meters of a tenant, by name, and the version of its partition they are true for."""

    ledger_epoch: str
    version: int
    totals: Mapping[str, int]


class Standing(NamedTuple):
    """Where a partition's ledger stands."""

    ledger_epoch: str
    version: int


class Ledger(Protocol):
    """Entries, identities and totals. Methods raise `LedgerUnavailable` where the store is away."""

    async def book(self, partition: int, batch: Batch, now: datetime) -> Booked:
        """Book a batch in one transaction, each identity once; raises `LedgerRefused` on poison."""
        ...

    async def book_with_poison(self, partition: int, batch: Batch, now: datetime) -> Booked:
        """Book a batch of which some row is refused: the row goes to the dead letters, the rest is booked."""
        ...

    async def standing(self, partition: int) -> Standing:
        """The partition's version."""
        ...

    async def catch_up(
        self,
        partition: int,
        after: int,
        also: Sequence[tuple[str, date]],
        also_meters: Sequence[tuple[str, str]] = (),
    ) -> CatchUp:
        """Totals changed after a version, and those of the days and meters named besides, under one snapshot."""
        ...

    def open_totals(self, partition: int, closing_after: datetime) -> AsyncIterator["CatchUp"]:
        """Pages of all totals whose window closes after an instant, each with the version it is true for.

        Meters of runs have no end and are not among them: `meter_totals` has them.
        """
        ...

    async def meter_totals(self, partition: int, tenant: str, meters: Sequence[str]) -> MeterTotals:
        """The settled totals of some meters of a tenant under one snapshot; one in which nothing is booked is 0."""
        ...

    async def inbox_append(self, record: Record) -> None:
        """Keep a record while Valkey is away."""
        ...

    async def inbox_peek(self, partition: int, records_max: int) -> list[InboxRecord]:
        """The oldest records of a partition's inbox."""
        ...

    async def versions(self) -> dict[int, int]:
        """The version of every partition."""
        ...

    async def nonces_since(self, versions: dict[int, int]) -> list[tuple[int, int, list[bytes]]]:
        """(partition, version, nonces) committed after the given version of each partition."""
        ...

    async def prune(self, partition: int, version: int, before: datetime) -> None:
        """Forget what transactions before `version` and `before` changed."""
        ...

    async def prune_meters(self, partition: int, now: datetime) -> int:
        """Forget some totals of meters long closed, and of runs long still; how many."""
        ...

    async def size(self) -> int:
        """How many bytes the database takes."""
        ...

    async def make_room(self, at: datetime) -> None:
        """Create the partitions that entries and identities around `at` need, and drop expired identities."""
        ...
