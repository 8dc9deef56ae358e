"""Decisions of the gate: a closed set, each with the facts a caller needs to act on it."""

from datetime import datetime
from enum import StrEnum

import msgspec

from tollbook.domain.budget import Fail
from tollbook.domain.meter import ScopeKind, Unit, WindowKind


class Verdict(StrEnum):
    """The five answers. `retryable` ones may differ in a moment without anything being done about them."""

    ALLOW = "allow"
    ALLOW_DEGRADED = "allow_degraded"
    BUSY = "busy"
    SPENT = "spent"
    UNSURE = "unsure"

    @property
    def admits(self) -> bool:
        """Whether the call may be made; `unsure` admits only where its `fail` is open."""
        return self in (Verdict.ALLOW, Verdict.ALLOW_DEGRADED)


class BudgetFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A budget as a decision found it; amounts in its unit, `reset_at` None for a run."""

    id: str
    tenant: str
    scope: ScopeKind
    match: str
    window: WindowKind
    unit: Unit
    limit: int
    spent: int
    held: int
    reset_at: datetime | None


class Held(msgspec.Struct, frozen=True):
    """A hold in force: its id, what it holds in nano-dollars, when it ends by the store's clock."""

    id: str
    amount_nanos: int
    expires_at: datetime


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate answers. `budget` is the one that decided or, where all allow, the tightest; None: none matches."""

    verdict: Verdict
    detail: str = ""
    hold: Held | None = None
    granted_max_output_tokens: int | None = None
    model: str | None = None
    budget: BudgetFacts | None = None
    retry_ms: int | None = None
    fail: Fail | None = None

    @property
    def admits(self) -> bool:
        """Whether the call may be made."""
        return self.verdict.admits or (self.verdict is Verdict.UNSURE and self.fail is Fail.OPEN)
