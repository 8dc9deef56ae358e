"""A second, simpler account of the same events: plain dictionaries, fed with what was acknowledged and committed.

It takes nothing from the system but acknowledgements (the nonce of a kept record) and commits (the nonces of a booked
batch); everything else it computes itself.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple


class Reported(NamedTuple):
    """One event as a sender reported it; `poison` is what Postgres will refuse."""

    tenant: str
    event_id: str
    day: date
    nanos: int
    poison: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return (self.tenant, self.event_id)


class Auditor:
    """What must be where, by nonce."""

    def __init__(self) -> None:
        self.records: dict[bytes, tuple[Reported, ...]] = {}
        self.journal: set[bytes] = set()
        self.inbox: set[bytes] = set()
        self.committed: set[bytes] = set()
        self.entries: dict[tuple[str, str], Reported] = {}
        self.acknowledged: set[tuple[str, str]] = set()

    def keep(self, nonce: bytes, events: Iterable[Reported], *, inbox: bool) -> None:
        """Take note of a record that a store acknowledged."""
        self.records[nonce] = tuple(events)
        (self.inbox if inbox else self.journal).add(nonce)
        self.acknowledged |= {event.key for event in self.records[nonce] if not event.poison}

    def commit(self, nonces: Iterable[bytes], taken: Iterable[bytes]) -> None:
        """Take note of a committed batch, in its order: the first of an identity is the one that counts."""
        for nonce in nonces:
            self.committed.add(nonce)
            for event in self.records[nonce]:
                if not event.poison:
                    self.entries.setdefault(event.key, event)
        self.inbox -= set(taken)

    def fail_over(self, journal: set[bytes]) -> None:
        """Valkey goes on with the journal as it stood earlier, or with none."""
        self.journal = set(journal)
        # Whoever's every record is gone and was never committed is lost: `ack=journal` says so.
        kept = {event.key for nonce in self.journal | self.inbox for event in self.records[nonce]}
        self.acknowledged &= kept | self.entries.keys()

    def judge_journal(self, found: set[bytes]) -> None:
        """Records leave the journal only when committed; none appears that was not posted."""
        assert found <= self.journal, "the journal holds what it must not"
        gone = self.journal - found
        assert gone <= self.committed, "a record left the journal before it was committed"
        self.journal = found

    def pending(self) -> dict[tuple[str, date], int]:
        """What lies in the journal, by tenant and day."""
        sums: Counter[tuple[str, date]] = Counter()
        for nonce in self.journal:
            for event in self.records[nonce]:
                sums[event.tenant, event.day] += event.nanos
        return dict(sums)

    def settled(self) -> dict[tuple[str, date], int]:
        """The sum of entries, by tenant and day."""
        sums: Counter[tuple[str, date]] = Counter()
        for event in self.entries.values():
            sums[event.tenant, event.day] += event.nanos
        return dict(sums)

    def judge_rest(self) -> None:
        """Nothing waits, and every acknowledged event that was not lost is an entry."""
        assert not self.journal
        assert not self.inbox
        assert self.acknowledged == self.entries.keys()
