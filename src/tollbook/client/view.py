"""What the server says of a tenant's budgets, kept in process, so that asking costs no round trip."""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from tollbook.client.flows import unsure
from tollbook.client.wire import FactsBody, WatchState
from tollbook.domain.budget import Fail
from tollbook.domain.decision import Decision, Verdict
from tollbook.domain.meter import Attribution, ScopeKind

ALLOW = Decision(verdict=Verdict.ALLOW)
_THROTTLED = Decision(verdict=Verdict.SPENT, detail="the tenant is throttled")


class View:
    """The newest state of one tenant. Times are seconds of `monotonic`, which only grow.

    A state counts while the stream it came by is open, and `grace_s` seconds longer; then, and before the first, the
    answer is `unsure`. A budget's refusal ends by itself at its `reset_at`.
    """

    def __init__(self, grace_s: float, fail: Fail, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._grace_s = grace_s
        self._monotonic = monotonic
        self._unsure = unsure("the view of the budgets is out of date: the server has not been heard", fail)
        self._refusing: Mapping[tuple[ScopeKind, str], tuple[Decision, float]] = {}
        self._throttled: tuple[Decision, float] | None = None
        self._fresh_until = 0.0
        self._open = False
        """Connected, known, and nobody refuses: the one thing that a check in the common case looks at."""
        self._connected = False
        self._version = -1
        self._known = threading.Event()
        self.changed = threading.Condition()
        """Notified after each new state."""

    @property
    def refuses_any(self) -> bool:
        """Whether some scope of the tenant is refused now."""
        return bool(self._refusing) or self._throttled is not None

    def connected(self) -> None:
        """A stream is open; its first state is of another server's life, whatever its version."""
        self._connected = True
        self._version = -1

    def disconnected(self) -> None:
        """The stream has ended: what is known counts a little longer."""
        self._connected = False
        self._open = False
        if self._known.is_set():
            self._fresh_until = min(self._fresh_until, self._monotonic() + self._grace_s)

    def take(self, state: WatchState, now: datetime | None = None) -> None:
        """Take a newer state; one of an older version is left aside."""
        if state.version < self._version:
            return
        self._version = state.version
        at = now or datetime.now(UTC)
        refusing: dict[tuple[ScopeKind, str], tuple[Decision, float]] = {}
        for budget in state.budgets:
            if _refuses(budget):
                value = "" if budget.scope is ScopeKind.TENANT else budget.match
                refusing[budget.scope, value] = (_spent(budget), self._until(budget.reset_at, at))
        tenant = [one for (scope, _), one in refusing.items() if scope is ScopeKind.TENANT]
        self._throttled = (tenant or [(_THROTTLED, float("inf"))])[0] if state.throttled else None
        self._refusing = refusing
        self._fresh_until = float("inf")
        self._open = self._connected and not refusing and not state.throttled
        self._known.set()
        with self.changed:
            self.changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the first state; whether there is one."""
        return self._known.wait(timeout_s)

    def decide(self, call: Callable[[], Attribution]) -> Decision:
        """The decision for a call; `call` is asked for only while some budget refuses."""
        if self._open:
            return ALLOW
        now = self._monotonic()
        if now >= self._fresh_until:
            return self._unsure
        if self._throttled is not None and now < self._throttled[1]:
            return self._throttled[0]
        if self._refusing:
            for scope in call().scopes():
                found = self._refusing.get(scope)
                if found is not None and now < found[1]:
                    return found[0]
        return ALLOW

    def _until(self, reset_at: datetime | None, now: datetime) -> float:
        if reset_at is None:
            return float("inf")
        return self._monotonic() + (reset_at - now).total_seconds()


def _refuses(budget: FactsBody) -> bool:
    if budget.refuses is not None:
        return budget.refuses
    facts = budget.facts()
    return facts.spent >= facts.limit


def _spent(budget: FactsBody) -> Decision:
    return Decision(verdict=Verdict.SPENT, detail=f"budget {budget.id} is spent", budget=budget.facts())
