"""Budgets and holds beside the meters: what the gate asks of Valkey, each in one atomic step."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple, Protocol

import msgspec

from tollbook.domain.budget import Budget


class HoldCode(IntEnum):
    """First number of hold.lua's answer for one request, in the order in which the script decides."""

    HELD = 0
    REPEATED = 1
    INCOMPLETE = 2
    """The epoch key is missing: counters are not to be trusted."""
    STALE = 3
    """The budgets beside the meters are of another version than the caller's."""
    EXPIRING = 4
    """More holds are due to expire than one call ends: ask again at once."""
    MISSING = 5
    """Meters of runs that have to be read from the ledger first, by index."""
    QUARANTINED = 6
    """Freshly rebuilt: strict budgets wait."""
    SPENT = 7
    TOO_LARGE = 8
    """Would not fit even if no hold were open."""
    BUSY = 9


class BudgetsCopy(NamedTuple):
    """The budgets beside a tenant's meters: everyone's and the tenant's own, each with its version."""

    everyone: Sequence[Budget]
    everyone_version: int
    own: Sequence[Budget]
    own_version: int

    @property
    def versions(self) -> tuple[int, int]:
        """(everyone's, the tenant's)."""
        return (self.everyone_version, self.own_version)


class HoldCheck(NamedTuple):
    """One meter that a hold must fit: its limit (None: only counted), the least and the most to hold, in its unit.

    `adds` False: the meter is looked at and nothing is held (a check). `strict`: must wait out a quarantine.
    `until_ms` is when its window closes, None for a run.
    """

    meter: str
    limit: int | None
    least: int
    most: int
    strict: bool
    until_ms: int | None


class HoldRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One hold, lease or check, as hold.lua takes it. Checks are ordered; the first that refuses is reported.

    Where `most` does not fit in some check but `least` does, each check of that unit holds what the tightest one of
    the unit leaves.
    `context` is kept with the hold for listing and settling. `reserve` False: nothing is written.
    """

    tenant: str
    hold_id: str
    caller_id: str | None
    versions: tuple[int, int]
    checks: Sequence[HoldCheck]
    ttl_ms: int
    context: bytes
    lease: bool = False
    lease_share: int = 1
    """A lease gets at most this fraction (1/n) of the room left, never less than `least`."""
    reserve: bool = True


class MeterView(NamedTuple):
    """A meter as the script found it, before the hold: settled + pending, and held."""

    spent: int
    held: int


class HoldAnswer(NamedTuple):
    """What hold.lua made of a request. `decided` is the index of the check that refused, -1 where none did.

    `amounts` are what each check holds (empty on a refusal); `wait_ms` is how long until the first open hold of the
    tenant expires, or until a quarantine ends; `missing` indexes of checks whose meter must be loaded.
    """

    code: HoldCode
    hold_id: str
    expires_ms: int
    decided: int
    amounts: tuple[int, ...]
    views: tuple[MeterView, ...]
    wait_ms: int
    missing: tuple[int, ...] = ()
    context: bytes = b""


class HoldState(IntEnum):
    """The state of a hold, as the scripts number them."""

    UNKNOWN = 0
    OPEN = 1
    SETTLED = 2
    RELEASED = 3
    EXPIRED = 4


class HoldView(NamedTuple):
    """A hold as it stands: `amounts` by meter."""

    hold_id: str
    state: HoldState
    lease: bool
    expires_ms: int
    amounts: Mapping[str, int]
    context: bytes


class Holds(Protocol):
    """Methods raise `JournalUnavailable` where Valkey is away."""

    async def budgets(self, partition: int, tenant: str) -> BudgetsCopy:
        """The budgets beside the tenant's meters."""
        ...

    async def put_budgets(self, partition: int, tenant: str | None, budgets: Sequence[Budget], version: int) -> bool:
        """Replace a tenant's (None: everyone's) budgets; False where a version as new stood there already."""
        ...

    async def hold(self, partition: int, requests: Sequence[HoldRequest]) -> list[HoldAnswer]:
        """Decide requests in order, in one script call."""
        ...

    async def extend(
        self, partition: int, tenant: str, hold_id: str, *, ttl_ms: int | None, amounts: Mapping[str, HoldCheck]
    ) -> tuple[HoldState, HoldAnswer]:
        """Give an open hold a new life from now and, where `amounts` names meters, a new whole amount in them."""
        ...

    async def release(self, partition: int, tenant: str, hold_id: str, keep: Mapping[str, int]) -> HoldState:
        """Release an open hold; `keep` says what a lease's open parts may still cost, by meter. The state before."""
        ...

    async def expire(self, partition: int, tenant: str) -> int:
        """End what is due, 64 at most; how many were."""
        ...

    async def open_holds(self, partition: int, tenant: str, count: int) -> list[HoldView]:
        """The tenant's open holds by expiry, `count` at most."""
        ...

    async def find(self, partition: int, tenant: str, hold_id: str) -> HoldView | None:
        """One hold, open or remembered."""
        ...

    async def load(self, partition: int, tenant: str, totals: Mapping[str, int], closes_at: datetime | None) -> None:
        """Set settled totals of run meters where there are none, as the ledger has them."""
        ...
