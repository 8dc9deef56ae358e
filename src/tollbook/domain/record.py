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


class Record(msgspec.Struct, frozen=True):
    """One record, before it has a place in the journal. `rows` is a run of binary COPY rows."""

    partition: int
    nonce: bytes
    events: int
    touches: tuple[Touch, ...]
    rows: bytes


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
