"""Alerts: what may ring, and by which key it rings once. `docs/rooms/alerts.md` says why the keys are as they are."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b

import msgspec

from tollbook.domain.budget import Budget
from tollbook.domain.meter import Unit, Window
from tollbook.domain.meter_parts import MeterParts
from tollbook.domain.money import usd_text

Facts = Mapping[str, object]
"""What an alert says, as JSON may hold it."""


class AlertKind(StrEnum):
    """What happened. The words stand in the bodies that hooks receive, so they never change."""

    THRESHOLD = "budget.threshold"
    BURN_RATE = "budget.burn_rate"
    THROTTLE_SET = "throttle.set"
    THROTTLE_CLEARED = "throttle.cleared"
    UNPRICED = "model.unpriced"
    PRICE_DIFFERS = "price.differs"
    BOOK_REFUSED = "price.book_refused"
    SOURCE_GAP = "source.gap"
    TEST = "alert.test"


class ClearedBy(StrEnum):
    """Why a throttle ended."""

    WINDOW_ENDED = "window_ended"
    BUDGET_CHANGED = "budget_changed"
    BUDGET_REMOVED = "budget_removed"
    TOTAL_CORRECTED = "total_corrected"


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Something that rings once: (`crossing`, `mark`) is unique. `text` is for people, `facts` for programs."""

    kind: AlertKind
    tenant: str
    crossing: bytes
    mark: int
    text: str
    facts: Facts


class Spent(msgspec.Struct, frozen=True):
    """A meter's settled total with the budget in force; None where no budget names the meter (any more)."""

    tenant: str
    meter: str
    parts: MeterParts
    window: Window
    total: int
    budget: Budget | None

    def open_at(self, now: datetime) -> bool:
        """Whether the window has not ended; a run's never does."""
        return self.window.end is None or now < self.window.end


class Throttle(msgspec.Struct, frozen=True):
    """Whether a meter refuses by what is settled, since how many changes, and until when that needs no second look."""

    tenant: str
    meter: str
    engaged: bool
    changes: int
    budget_id: str
    limit: int
    ends_at: datetime | None


def crossing_of(kind: AlertKind, *parts: str) -> bytes:
    """The 16 bytes that name what is crossed.

    >>> crossing_of(AlertKind.UNPRICED, "ab", "c") == crossing_of(AlertKind.UNPRICED, "a", "bc")
    False
    """
    # Each part behind its length, so that no two lists read the same.
    named = "".join(f"{len(part)}:{part}" for part in (kind.value, *parts))
    return blake2b(named.encode(), digest_size=16).digest()


def threshold_amount(limit: int, percent: int) -> int:
    """The least total that has reached a share of the limit; at least 1, since nothing spent crosses nothing.

    >>> threshold_amount(3, 50), threshold_amount(0, 100)
    (2, 1)
    """
    return max(1, -(-limit * percent // 100))


def amount_text(amount: int, unit: Unit) -> str:
    """An amount for people.

    >>> amount_text(26_000_000_000, Unit.USD), amount_text(1200, Unit.TOKENS), amount_text(4_000_000, Unit.USD)
    ('$26.00', '1,200 tokens', '$0.004')
    """
    if unit is not Unit.USD:
        return f"{amount:,} {unit.value}"
    dollars, _, rest = usd_text(amount).partition(".")
    return f"${dollars}.{rest.rstrip('0').ljust(2, '0')}"


def amount_fact(amount: int, unit: Unit) -> str:
    """An amount for programs: decimal dollars, or a whole number as text."""
    return usd_text(amount) if unit is Unit.USD else str(amount)
