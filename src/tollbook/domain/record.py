"""The journal's record: what one receiver posts for one partition at one go, with everything resolved."""

from datetime import date

import msgspec

from tollbook.domain.window import DayWindow


class Touch(msgspec.Struct, frozen=True, gc=False):
    """A tenant's day and what a record adds to it, or what the ledger says it has come to."""

    tenant: str
    window: DayWindow
    nanos: int

    @property
    def key(self) -> tuple[str, date]:
        """What names the total: (tenant, day)."""
        return (self.tenant, self.window.day)


class MeterTouch(msgspec.Struct, frozen=True, gc=False):
    """A meter other than the tenant's day in dollars, and what a record adds to it in its unit.

    `until_ms` is when its window closes, 0 for a run, which never does.
    """

    tenant: str
    meter: str
    amount: int
    until_ms: int


class MeterTotal(msgspec.Struct, frozen=True, gc=False):
    """What the ledger says a meter has come to. `until_ms` is no earlier than its window closes, 0 for a run."""

    tenant: str
    meter: str
    total: int
    until_ms: int


class HoldUse(msgspec.Struct, frozen=True, gc=False):
    """The hold that an event names and what the call came to. `part` is the number within a lease, 0 for a hold."""

    tenant: str
    hold_id: str
    part: int
    nanos: int
    tokens: int


class Record(msgspec.Struct, frozen=True):
    """One record, before it has a place in the journal. `rows` is a run of binary COPY rows."""

    partition: int
    nonce: bytes
    events: int
    touches: tuple[Touch, ...]
    rows: bytes
    meters: tuple[MeterTouch, ...] = ()
    holds: tuple[HoldUse, ...] = ()


class Journalled(msgspec.Struct, frozen=True):
    """A record as the drain finds it in the journal: `place` is its stream id."""

    place: str
    nonce: bytes
    events: int
    touches: tuple[tuple[str, date], ...]
    rows: bytes


class InboxRecord(msgspec.Struct, frozen=True):
    """A record as the drain finds it in the ledger's inbox."""

    inbox_id: int
    nonce: bytes
    events: int
    rows: bytes
