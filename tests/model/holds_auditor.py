"""A second account of holds: plain dictionaries, computed anew from what was asked, posted, booked and settled.

It knows the rules and none of the scripts. `Ledger` stands for Postgres: events booked once by identity, a version a
batch. `HoldsAuditor` says what the counters must hold and what a request must be answered; amounts are in the unit of
the meter. `spent_for_sure` and `alive` are the promise itself: what callers have used and may still use.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tollbook.ports.holds import HoldCode, HoldState

Amounts = Mapping[str, int]


class Reported(NamedTuple):
    """An event: what it adds to each meter, the hold and part it names, and whether a hold's room covered it."""

    identity: str
    amounts: tuple[tuple[str, int], ...]
    hold_id: str | None
    part: int
    covered: bool


class Kept(NamedTuple):
    """A record in the journal: its event and the deltas it added to pending."""

    event: Reported
    pending: tuple[tuple[str, int], ...]


@dataclass
class Hold:
    """A hold as the counters must have it; `used` is what a caller has really reported of it."""

    lease: bool
    expires_ms: int
    amounts: dict[str, int]
    state: HoldState = HoldState.OPEN
    parts: set[int] = field(default_factory=set)


class Ledger:
    """Every event once, under the version that booked it."""

    def __init__(self) -> None:
        self.version = 0
        self.booked: dict[str, tuple[int, Reported]] = {}
        self.named: list[tuple[int, str]] = []

    def book(self, events: Iterable[Reported]) -> None:
        self.version += 1
        for event in events:
            self.booked.setdefault(event.identity, (self.version, event))
            if event.hold_id is not None:
                self.named.append((self.version, f"{event.hold_id}.{event.part}" if event.part else event.hold_id))

    def totals(self, up_to: int) -> Counter[str]:
        sums: Counter[str] = Counter()
        for version, event in self.booked.values():
            if version <= up_to:
                sums.update(dict(event.amounts))
        return sums

    def changed(self, after: int) -> set[str]:
        return {meter for version, event in self.booked.values() if version > after for meter, _ in event.amounts}


class HoldsAuditor:
    """What the counters of one tenant must hold. Times are the store's, in ms."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.holds: dict[str, Hold] = {}
        self.ghosts: dict[str, Hold] = {}
        self.callers: dict[str, str] = {}
        self.journal: dict[bytes, Kept] = {}
        self.inbox: list[Reported] = []
        self.reported: set[str] = set()
        self.released: set[str] = set()
        self.loaded: set[str] = set()
        self.swept: set[str] = set()
        self.fence = 0
        self.caught_up_ms = 0
        self.quarantine_until_ms = 0
        self.now_ms = 0

    def settled(self) -> Counter[str]:
        return self.ledger.totals(self.fence)

    def pending(self) -> Counter[str]:
        sums: Counter[str] = Counter()
        for kept in self.journal.values():
            for meter, amount in kept.pending:
                sums[meter] += amount
        return sums

    def held(self) -> Counter[str]:
        sums: Counter[str] = Counter()
        for hold in self.holds.values():
            if hold.state is HoldState.OPEN:
                sums.update(hold.amounts)
        return sums

    def state_of(self, hold_id: str) -> HoldState:
        hold = self.holds.get(hold_id)
        if hold is None:
            return HoldState.UNKNOWN
        if hold.state is HoldState.OPEN and hold.expires_ms <= self.now_ms:
            return HoldState.EXPIRED
        return hold.state

    def expire(self) -> int:
        """End what is due and safe to end; how many."""
        due = [
            hold
            for hold in self.holds.values()
            if hold.state is HoldState.OPEN and hold.expires_ms <= min(self.now_ms, self.caught_up_ms)
        ]
        for hold in due:
            hold.state = HoldState.EXPIRED
        return len(due)

    def decide(
        self, checks: Mapping[str, tuple[int, int, int]], *, own: Amounts, waits: bool
    ) -> tuple[HoldCode, dict[str, int]]:
        """The answer to checks {meter: (limit, least, most)}, and what is granted."""
        if any("|run:" in meter and meter not in self.loaded for meter in checks):
            return HoldCode.MISSING, {}
        if waits and self.now_ms < self.quarantine_until_ms:
            return HoldCode.QUARANTINED, {}
        settled, pending, held = self.settled(), self.pending(), self.held()
        free = {meter: limit - settled[meter] - pending[meter] for meter, (limit, _, _) in checks.items()}
        room = {meter: free[meter] - held[meter] + own.get(meter, 0) for meter in checks}
        if any(free[meter] <= 0 for meter in checks):
            return HoldCode.SPENT, {}
        if any(free[meter] < least for meter, (_, least, _) in checks.items()):
            return HoldCode.TOO_LARGE, {}
        if any(room[meter] < least for meter, (_, least, _) in checks.items()):
            return HoldCode.BUSY, {}
        dollars = [meter for meter in checks if not meter.startswith(("calls", "tokens"))]
        grant = min((room[meter] for meter in dollars), default=0)
        return HoldCode.HELD, {
            meter: max(least, min(most, grant)) if meter in dollars else most
            for meter, (_, least, most) in checks.items()
        }

    def use(self, event: Reported, nanos: int) -> tuple[HoldState, int]:
        """What a posted event does to its hold: the state before, and what it cost beyond it."""
        hold = self.holds.get(event.hold_id or "")
        if hold is None or (event.part and not hold.lease):
            return HoldState.UNKNOWN, 0
        if hold.lease:
            if not event.part or event.part in hold.parts:
                return HoldState.SETTLED, 0
            hold.parts.add(event.part)
        state = hold.state
        dollars = [value for meter, value in hold.amounts.items() if not meter.startswith("calls")]
        if not hold.lease:
            hold.state = HoldState.SETTLED
        elif state is HoldState.OPEN:
            taken = {meter: 1 if meter.startswith("calls") else nanos for meter in hold.amounts}
            hold.amounts = {meter: max(0, value - taken[meter]) for meter, value in hold.amounts.items()}
        if state is HoldState.SETTLED or not dollars:
            return state, 0
        return state, max(0, nanos - (dollars[0] if state is HoldState.OPEN else 0))

    def settle_named(self, after: int) -> list[str]:
        """End open holds named by what was booked after a version; every name there is."""
        names = [name for version, name in self.ledger.named if version > after]
        for name in names:
            hold = self.holds.get(name)
            if hold is not None and not hold.lease and hold.state is HoldState.OPEN:
                hold.state = HoldState.SETTLED
        return names

    def lose(self) -> None:
        """Valkey forgets everything; what callers hold goes on without it."""
        self.ghosts.update(self.holds)
        self.holds, self.callers, self.journal, self.loaded = {}, {}, {}, set()
        self.caught_up_ms = 0

    def spent_for_sure(self) -> Counter[str]:
        """What was reported, each event once, as far as anybody but Postgres can know of it.

        An event that no hold covered and that went past Valkey shows with its settle; so does what a receiver that
        has not heard of a budget left out.
        """
        known: dict[str, Amounts] = {event.identity: dict(event.amounts) for event in self.inbox if event.covered}
        for kept in self.journal.values():
            known[kept.event.identity] = dict(kept.pending)
        for name, (version, event) in self.ledger.booked.items():
            if version <= self.fence or event.covered:
                known[name] = dict(event.amounts)
        sums: Counter[str] = Counter()
        for amounts in known.values():
            sums.update(amounts)
        return sums

    def alive(self) -> Counter[str]:
        """What callers may still spend under holds that have not ended by the clock."""
        sums: Counter[str] = Counter()
        for name, hold in {**self.ghosts, **self.holds}.items():
            done = name in self.reported or name in self.released
            if hold.expires_ms > self.now_ms and (hold.lease or not done) and name not in self.released:
                sums.update(hold.amounts)
        return sums
