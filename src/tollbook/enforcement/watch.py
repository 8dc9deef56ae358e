"""Tells who watches a tenant what its budgets show, when it changes: one look at a time, however many watch."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import NamedTuple

from tollbook.domain.budget import EACH, Budget, Check
from tollbook.domain.decision import BudgetFacts
from tollbook.domain.errors import JournalUnavailable, StoreError
from tollbook.domain.meter import ScopeKind, WindowKind, meter_name, window_of
from tollbook.domain.tenancy import Tenancy
from tollbook.enforcement.copies import Copies, TenantBudgets
from tollbook.enforcement.views import facts_of
from tollbook.ports.clock import Clock
from tollbook.ports.holds import HoldCheck, HoldCode, HoldRequest, Holds
from tollbook.telemetry import StoreTrouble, Telemetry

POLL_S = 0.15
"""A change is told within a fifth of a second."""
_BUDGETS_MAX = 64
_WATCHERS_MAX = 1_000
"""In one process; each costs a connection."""


class WatchFull(StoreError):  # noqa: N818 - a state of the world, not a mistake
    """This process tells as many watchers as it may."""

    code = "overloaded"
    retryable = True


class State(NamedTuple):
    """What a tenant's budgets show. `throttled`: a budget of the whole tenant refuses what comes."""

    tenant: str
    throttled: bool
    budgets: tuple[BudgetFacts, ...]
    refusing: tuple[bool, ...]
    version: int


class Watch:
    """The watched tenants of this process."""

    def __init__(
        self, holds: Holds, copies: Copies, clock: Clock, telemetry: Telemetry, tenancy: Callable[[], Tenancy]
    ) -> None:
        self._holds = holds
        self._copies = copies
        self._clock = clock
        self._telemetry = telemetry
        self._tenancy = tenancy
        self._watched: dict[str, _Watched] = {}
        self._watchers = 0

    def require_room(self) -> None:
        """Raise `WatchFull` where another watcher is one too many."""
        if self._watchers >= _WATCHERS_MAX:
            raise WatchFull(f"{self._watchers} watchers are told by this process")

    async def states(self, tenant: str) -> AsyncGenerator[State, None]:
        """The state at once and at each change, for ever; of changes faster than they are taken the last one counts."""
        watched = self._watched.get(tenant)
        if watched is None:
            watched = self._watched[tenant] = _Watched()
            watched.looking = asyncio.create_task(self._look_on(tenant, watched), name="watch")
        self._watchers += 1
        watched.watchers += 1
        told = None
        try:
            while True:
                async with watched.changed:
                    await watched.changed.wait_for(lambda told=told: watched.state is not told)  # type: ignore[misc]
                    told = watched.state
                if told is not None:
                    yield told
        finally:
            self._watchers -= 1
            watched.watchers -= 1
            if watched.watchers == 0 and watched.looking is not None:
                watched.looking.cancel()
                del self._watched[tenant]

    async def look(self, tenant: str) -> State | None:
        """What a tenant's budgets show now; None where the counters cannot be asked or are not complete."""
        for _ in range(2):
            try:
                state = await self._look(tenant)
            except JournalUnavailable as trouble:
                self._telemetry.record(StoreTrouble("valkey", "budgets are shown without counters", str(trouble)))
                return None
            if state is not None:
                return state
        return None

    async def close(self) -> None:
        """Stop looking."""
        for watched in list(self._watched.values()):
            if watched.looking is not None:
                watched.looking.cancel()

    async def _look_on(self, tenant: str, watched: "_Watched") -> None:
        # Not left to the cancellation alone: a driver may lose one that comes together with its answer.
        while watched.watchers > 0:
            try:
                state = await self._look(tenant)
            except JournalUnavailable as trouble:
                self._telemetry.record(StoreTrouble("valkey", "watchers are told later", str(trouble)))
                state = None
            if state is not None and state != watched.state:
                async with watched.changed:
                    watched.state = state
                    watched.changed.notify_all()
            await self._clock.pause(POLL_S)

    async def _look(self, tenant: str) -> State | None:
        """What the counters show; None where they are incomplete or the budgets have just changed."""
        copy = await self._copies.of(tenant)
        checks = self._checks(tenant, copy)
        asked = [HoldCheck(check.meter, None, 0, 0, False, _until_ms(check)) for check in checks]
        request = HoldRequest(
            tenant=tenant,
            hold_id="",
            caller_id=None,
            versions=copy.versions,
            checks=asked,
            ttl_ms=1_000,
            context=b"",
            reserve=False,
        )
        (answer,) = await self._holds.hold(self._tenancy().partition_of(tenant), [request])
        if answer.code is HoldCode.STALE:
            await self._copies.reload(tenant, copy)
            return None
        if len(answer.views) != len(checks):
            return None
        facts = tuple(facts_of(tenant, check, view) for check, view in zip(checks, answer.views, strict=True))
        refusing = tuple(
            check.budget.refuses and fact.spent >= fact.limit for check, fact in zip(checks, facts, strict=True)
        )
        throttled = any(
            refuses and fact.scope is ScopeKind.TENANT for refuses, fact in zip(refusing, facts, strict=True)
        )
        return State(tenant, throttled, facts, refusing, max(copy.versions))

    def _checks(self, tenant: str, copy: TenantBudgets) -> list[Check]:
        """The budgets that name one meter: of the tenant, or of one value; those for each value have too many."""
        at = self._clock.now()
        day, calendar = copy.tenancy.window_at(tenant, at), copy.tenancy.calendar_of(tenant)
        chosen: dict[str, Check] = {}
        for budget in copy.budgets:
            value = _value(budget)
            if value is None or (budget.expires_at is not None and budget.expires_at <= at):
                continue
            window = window_of(budget.window, at, day, calendar, _run(budget))
            if window is None:
                continue
            meter = meter_name(budget.unit, window.name, budget.scope, value)
            known = chosen.get(meter)
            if known is None or budget.tenant is not None:
                chosen[meter] = Check(budget, meter, window)
        return list(chosen.values())[:_BUDGETS_MAX]


class _Watched:
    """One tenant: the last state, and who waits for the next."""

    def __init__(self) -> None:
        self.changed = asyncio.Condition()
        self.state: State | None = None
        self.watchers = 0
        self.looking: asyncio.Task[None] | None = None


def _value(budget: Budget) -> str | None:
    if budget.scope is ScopeKind.TENANT:
        return ""
    return None if budget.match == EACH or budget.match.endswith(f"={EACH}") else budget.match


def _run(budget: Budget) -> str | None:
    """The run of a run's window, where the budget's own match names one."""
    if budget.window is not WindowKind.RUN:
        return None
    match budget.scope:
        case ScopeKind.RUN:
            return budget.match
        case ScopeKind.INSTANCE:
            return budget.match.partition("/")[0]
        case ScopeKind.TENANT | ScopeKind.AGENT | ScopeKind.MODEL | ScopeKind.TAG:
            return None


def _until_ms(check: Check) -> int | None:
    return None if check.window.end is None else int(check.window.end.timestamp() * 1000)
