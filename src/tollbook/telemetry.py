"""What happens inside, as records handed to one hook; logs and metrics are made of them elsewhere."""

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec


class Accepted(msgspec.Struct, frozen=True):
    """A record was kept. `via` is journal or inbox; `seconds` is how long its first event waited for it."""

    events: int
    via: str
    seconds: float = 0.0


class Rejected(msgspec.Struct, frozen=True):
    """Items of a request were refused with `code`."""

    items: int
    code: str


class Unpriced(msgspec.Struct, frozen=True):
    """An event was taken at the ceiling: its model has no price, or something that it used beside tokens has none."""

    tenant: str
    model: str


class Throttled(msgspec.Struct, frozen=True):
    """A record found its tenant over the daily limit."""

    tenant: str


class Decided(msgspec.Struct, frozen=True):
    """The gate decided a call: `verdict`, with the `fail` of an unsure one behind it."""

    verdict: str
    seconds: float


VERDICTS = ("allow", "allow_degraded", "busy", "spent", "unsure_open", "unsure_closed")
"""What `Decided.verdict` may be."""


class Drained(msgspec.Struct, frozen=True):
    """A ledger transaction committed."""

    partition: int
    version: int
    new: int
    duplicates: int
    conflicts: int
    dead: int
    seconds: float
    corrections: int = 0


class Settled(msgspec.Struct, frozen=True):
    """Counters were set up to `fence` and `removed` records left the journal."""

    partition: int
    fence: int
    removed: int


class Rebuilt(msgspec.Struct, frozen=True):
    """The counters of a partition were restored from Postgres."""

    partition: int
    days: int
    seconds: float


class StoreTrouble(msgspec.Struct, frozen=True):
    """A store did not do what was asked; `what` says what was put off or routed elsewhere."""

    store: str
    what: str
    detail: str


class LoopFailed(msgspec.Struct, frozen=True):
    """A supervised loop met something it did not expect and will start again."""

    loop: str
    detail: str


class AlertRaised(msgspec.Struct, frozen=True):
    """An alert was raised, and is on its way to so many hooks."""

    kind: str
    tenant: str
    text: str
    alert_id: str
    deliveries: int
    facts: Mapping[str, object]


Outcome = Literal["delivered", "postponed", "dead", "disabled"]


class AlertSent(msgspec.Struct, frozen=True):
    """An attempt to deliver an alert ended; `disabled`: the hook wants no more."""

    kind: str
    alert_id: str
    hook_id: str
    outcome: Outcome
    attempts: int
    detail: str


class PricesAdopted(msgspec.Struct, frozen=True):
    """A price book came into force."""

    version: str
    digest: str
    cards: int


class PricesRefused(msgspec.Struct, frozen=True):
    """A price book was not taken: its file is wrong (no digest), or its prices move too far and it waits."""

    digest: str
    why: str


class PricesStand(msgspec.Struct, frozen=True):
    """How old the price data is, since this ledger first saw it, and whether a book waits to be accepted."""

    age_s: float
    waiting: bool


class SourcePolled(msgspec.Struct, frozen=True):
    """An inbox elsewhere was read: `requests` were new, and `events` of them were taken."""

    source: str
    state: str
    requests: int
    events: int
    detail: str


class SourceGap(msgspec.Struct, frozen=True):
    """Requests may have left an inbox before they were read."""

    source: str
    detail: str


TelemetryRecord = (
    Accepted
    | Rejected
    | Unpriced
    | Throttled
    | Decided
    | Drained
    | Settled
    | Rebuilt
    | StoreTrouble
    | LoopFailed
    | AlertRaised
    | AlertSent
    | PricesAdopted
    | PricesRefused
    | PricesStand
    | SourcePolled
    | SourceGap
)


class Telemetry(Protocol):
    """Where records go. Must be quick and must not raise."""

    def record(self, happened: TelemetryRecord) -> None:
        """Take one record."""
        ...


class Silent:
    """Drops every record."""

    def record(self, happened: TelemetryRecord) -> None:
        """Take one record."""
