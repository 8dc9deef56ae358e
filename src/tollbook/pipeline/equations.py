"""An equation between two sums, and one that is still being added up."""

from enum import StrEnum

import msgspec

_SAMPLES_MAX = 5


class Outcome(StrEnum):
    """What came of an equation. Only DIFFERS is a failure; BUSY asks for another try."""

    HOLDS = "holds"
    DIFFERS = "differs"
    BUSY = "busy"


class Equation(msgspec.Struct, frozen=True):
    """Two sums that must be one, and where they are not. `busy` says why nothing could be said of (part of) it."""

    name: str
    left_name: str
    left: int
    right_name: str
    right: int
    differing: int = 0
    differences: tuple[str, ...] = ()
    busy: str | None = None

    @property
    def outcome(self) -> Outcome:
        """A difference found stands, even where the rest could not be compared."""
        if self.differing or (self.busy is None and self.left != self.right):
            return Outcome.DIFFERS
        return Outcome.HOLDS if self.busy is None else Outcome.BUSY


class Tally:
    """One equation between the stores while it adds up."""

    def __init__(self, name: str, left_name: str, right_name: str) -> None:
        self.name = name
        self.sides = (left_name, right_name)
        self.left = 0
        self.right = 0
        self.differing = 0
        self.differences: list[str] = []
        self.busy: str | None = None

    def add(self, left: int, right: int, where: str) -> None:
        """Add one place's two sides."""
        self.left += left
        self.right += right
        if left != right:
            self.differing += 1
            if len(self.differences) < _SAMPLES_MAX:
                self.differences.append(f"{where}: {left} and {right}")

    def equation(self) -> Equation:
        """What it came to."""
        left_name, right_name = self.sides
        found = (self.differing, tuple(self.differences), self.busy)
        return Equation(self.name, left_name, self.left, right_name, self.right, *found)


class VerifySettings(msgspec.Struct, frozen=True):
    """How patiently the fence is waited for, and how much is read at one go.

    `settling_pause_s` lets a limit or a flag that is just changing reach the counters before it is called wrong.
    """

    days_max: int = 200
    snapshots_max: int = 20
    polls_max: int = 25
    poll_s: float = 0.004
    looks_max: int = 3
    settling_pause_s: float = 1.2
    journal_records_max: int = 2_000
