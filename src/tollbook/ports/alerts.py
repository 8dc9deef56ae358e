"""Where alerts, hooks and deliveries are kept, and who carries a delivery to its hook."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from tollbook.domain.alert import Alert, Facts, Throttle
from tollbook.domain.budget import Budget
from tollbook.domain.meter_parts import MeterParts


class Total(NamedTuple):
    """A settled total. `unpriced_nanos` is what of a tenant's day in dollars was taken at the ceiling, else 0."""

    tenant: str
    meter: str
    total: int
    unpriced_nanos: int = 0


class Differing(NamedTuple):
    """Calls of a model in a tenant's day whose sender named another cost than the price book, added up."""

    tenant: str
    day: date
    model: str
    calls: int
    reported_nanos: int
    cost_nanos: int


class Named(NamedTuple):
    """A meter whose budget is looked for."""

    tenant: str
    parts: MeterParts


class Raised(NamedTuple):
    """An alert as it was kept."""

    alert_id: str
    alert: Alert
    deliveries: int


class Turn(Protocol):
    """One transaction of a partition's raiser; what it did is kept where its context ends without an exception."""

    def totals(self, closed_after: datetime, now: datetime, near_per_mille: int) -> AsyncIterator[Sequence[Total]]:
        """Pages of the totals that changed, or whose budgets did; all open ones where that is not known.

        Days in dollars below that share of their limit and below their thresholds are left out where nothing else
        speaks for them.
        """
        ...

    async def throttles(self, totals: Collection[Total]) -> dict[tuple[str, str], Throttle]:
        """The throttle states of some meters, by (tenant, meter)."""
        ...

    async def ending(self, now: datetime) -> list[tuple[Throttle, Total]]:
        """Engaged throttles to look at whatever changed: their time has come, or their owner's budgets changed."""
        ...

    async def budgets(self, named: Sequence[Named], now: datetime) -> list[Budget | None]:
        """The budget in force of each meter, or None."""
        ...

    async def unpriced_models(self, days: Collection[tuple[str, date]]) -> list[tuple[str, date, str]]:
        """(tenant, day, model) of what was booked without a price in those days."""
        ...

    async def differing(self, since: datetime) -> list[Differing]:
        """What was booked since the last turn at another cost than its sender named, of calls since an instant."""
        ...

    async def marks(self, crossings: Collection[bytes]) -> dict[bytes, int]:
        """The highest mark of each crossing that has an alert."""
        ...

    async def keep_throttles(self, throttles: Collection[Throttle], now: datetime) -> None:
        """Keep states."""
        ...

    async def insert(self, alerts: Sequence[Alert], now: datetime) -> list[Raised]:
        """Keep alerts that are not there yet, with a delivery for each hook that wants them."""
        ...


class Hook(NamedTuple):
    """Where alerts go. `tenant` None: of all; `kinds` empty: every kind. `disabled` says why it gets none any more."""

    hook_id: str
    tenant: str | None
    url: str
    kinds: tuple[str, ...]
    created_at: datetime
    created_by: str
    disabled: str | None


class DeliveryState(StrEnum):
    """What has become of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


class Delivery(NamedTuple):
    """An alert on its way to a hook. `next_at` is null once it is not pending; `status` is the last HTTP answer."""

    hook_id: str
    state: DeliveryState
    attempts: int
    next_at: datetime | None
    status: int | None
    detail: str
    marked_at: datetime | None


class AlertRow(NamedTuple):
    """An alert with its deliveries."""

    alert_id: str
    raised_at: datetime
    kind: str
    tenant: str
    text: str
    facts: Facts
    deliveries: tuple[Delivery, ...]


class Claimed(NamedTuple):
    """A delivery claimed for one attempt, with all that it takes."""

    alert_id: str
    hook_id: str
    attempts: int
    url: str
    secret: str
    kind: str
    raised_at: datetime
    text: str
    facts: Facts


class Answer(NamedTuple):
    """What came of sending: the HTTP status, or None and why there is none. `retry_after_s`: as the hook asked."""

    status: int | None
    detail: str
    retry_after_s: float | None = None


class Place(NamedTuple):
    """A place in the order of alerts, newest first."""

    raised_at: datetime
    alert_id: str


class AlertStore(Protocol):
    """Alerts in the ledger's database. Methods raise `LedgerUnavailable` where it is away."""

    async def waits(self, partition: int, now: datetime) -> bool:
        """Whether a turn would find anything to look at."""
        ...

    def turn(self, partition: int) -> AbstractAsyncContextManager[Turn]:
        """Begin a raiser's transaction."""
        ...

    async def claim(
        self, now: datetime, until: datetime, *, busy: Collection[str], per_hook: int, count: int
    ) -> list[Claimed]:
        """Claim due deliveries, at most so many a hook and none of busy hooks; they are due again at `until`."""
        ...

    async def claim_one(self, alert_id: str, hook_id: str, until: datetime) -> Claimed | None:
        """Claim one delivery whether or not it is due; None where it is not pending."""
        ...

    async def delivered(self, claimed: Claimed, status: int, now: datetime) -> bool:
        """Mark as delivered; False where the claim was lost."""
        ...

    async def postponed(self, claimed: Claimed, answer: Answer, now: datetime, next_at: datetime) -> bool:
        """Try again later; False where the claim was lost."""
        ...

    async def died(self, claimed: Claimed, answer: Answer, now: datetime) -> bool:
        """Give up; False where the claim was lost."""
        ...

    async def disable(self, hook_id: str, why: str, now: datetime) -> None:
        """Send a hook nothing any more; what waits for it is dead."""
        ...

    async def add_hook(self, hook: Hook, secret: str) -> None:
        """Keep a hook."""
        ...

    async def hooks(self) -> list[Hook]:
        """Every hook, newest first."""
        ...

    async def remove_hook(self, hook_id: str, by: str) -> bool:
        """Forget a hook and its deliveries; False where there is none."""
        ...

    async def ring(self, alert: Alert, now: datetime) -> Raised | None:
        """Keep one alert outside any turn, for every hook that wants it; None where it has rung already."""
        ...

    async def insert_test(self, hook_id: str, alert: Alert, now: datetime, *, due_at: datetime) -> str | None:
        """Keep an alert for one hook only, to be sent at an instant; its id, or None without such a hook in use."""
        ...

    async def alerts(self, tenant: str | None, before: Place | None, count: int) -> list[AlertRow]:
        """Up to `count` alerts, newest first, behind a place."""
        ...

    async def prune(self, before: datetime) -> int:
        """Forget alerts raised before an instant, with what belongs to them; how many."""
        ...


class HookSender(Protocol):
    """Carries a delivery."""

    async def send(self, claimed: Claimed, now: datetime) -> Answer:
        """Sign and send; whatever goes wrong on the way is an answer without a status."""
        ...
