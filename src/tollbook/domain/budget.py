"""Budgets: limits on meters, which scopes they match, and what happens when they are reached."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from tollbook.domain.limits import LIMIT_NANOS_MAX
from tollbook.domain.meter import Attribution, ScopeKind, Unit, Window, WindowKind, meter_name

EACH = "*"
DEFAULT_DAILY = "daily"
"""The id of the brief's budget: $50 a day for each tenant; a tenant's own of this id overrides it."""

KEYS_PREFIX = "key:"
"""Begins the ids of budgets that are shares of keys: they come and go with their key."""


def shares_of(key_id: str) -> tuple[str, str]:
    """The ids of the budgets that are a key's shares: of money or tokens, and of calls a minute."""
    return f"{KEYS_PREFIX}{key_id}", f"{KEYS_PREFIX}{key_id}:calls"


_SETS_MAX = 100_000
"""Tenants remembered; those of a fleet share everyone's budgets, and have few of their own."""

ID_PATTERN = re.compile(r"[A-Za-z0-9._:/#@=+-]{1,128}")


class Action(StrEnum):
    """What happens at the limit."""

    NOTIFY = "notify"
    THROTTLE = "throttle"
    BLOCK = "block"
    DEGRADE = "degrade"


class Mode(StrEnum):
    """What a hold is charged: the upper bound of its cost, or what such calls have cost."""

    STRICT = "strict"
    EXPECTED = "expected"


class Fail(StrEnum):
    """What an unsure gate answers."""

    OPEN = "open"
    CLOSED = "closed"


class Budget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A budget in force. `limit` is in the unit (nano-dollars, tokens, calls); `tenant` None: each without its own."""

    id: str
    scope: ScopeKind
    window: WindowKind
    unit: Unit
    limit: int
    match: str = EACH
    tenant: str | None = None
    thresholds: tuple[int, ...] = (50, 80, 100)
    action: Action = Action.THROTTLE
    degrade_to: str | None = None
    mode: Mode | None = None
    fail: Fail | None = None
    expires_at: datetime | None = None

    @property
    def is_daily(self) -> bool:
        """Whether its meter is the tenant's day in dollars, which every tenant has."""
        return self.scope is ScopeKind.TENANT and self.window is WindowKind.DAY and self.unit is Unit.USD

    @property
    def flag_limit(self) -> int:
        """Where the tenant's throttle flag goes up: at the limit, or never where reaching it refuses nothing."""
        return self.limit if self.refuses else LIMIT_NANOS_MAX

    @property
    def refuses(self) -> bool:
        """Whether the gate says no at the limit."""
        return self.action in (Action.THROTTLE, Action.BLOCK)

    def mode_for(self, asked: Mode | None) -> Mode:
        """How a call that asks for a mode is charged here."""
        return self.mode or asked or Mode.STRICT

    def fails(self, asked: Mode | None) -> Fail:
        """What holds for a call that asks for a mode while the stores are away."""
        if self.fail is not None:
            return self.fail
        strict = self.mode_for(asked) is Mode.STRICT
        return Fail.CLOSED if strict or self.action is Action.BLOCK else Fail.OPEN

    @property
    def _rank(self) -> tuple[bool, bool]:
        return (self.tenant is not None, self.match != EACH)


class Check(NamedTuple):
    """A budget that a call must pass, with the meter it is charged to."""

    budget: Budget
    meter: str
    window: Window


Windows = Mapping[WindowKind, Window | None]


class BudgetSet:
    """The budgets that hold for one tenant, found by scope: their number does not matter, the call's depth does."""

    def __init__(self, budgets: Iterable[Budget]) -> None:
        self._by_scope: dict[tuple[ScopeKind, str], list[Budget]] = {}
        for budget in budgets:
            value = "" if budget.scope is ScopeKind.TENANT else budget.match
            self._by_scope.setdefault((budget.scope, value), []).append(budget)

    def kinds(self) -> set[WindowKind]:
        """The kinds of window in use."""
        return {budget.window for found in self._by_scope.values() for budget in found}

    def scopes(self) -> set[ScopeKind]:
        """The kinds of scope in use."""
        return {scope for scope, _ in self._by_scope}

    def meters(self, call: Attribution, windows: Windows) -> dict[str, tuple[Unit, Window]]:
        """Every meter the call counts in, but the tenant's day in dollars, which always counts.

        A share that has ended counts until its budget is removed, so that who books an event a second later names
        the same meters.
        """
        found: dict[str, tuple[Unit, Window]] = {}
        for scope, value in call.scopes():
            for budget in self._candidates(scope, value):
                window = windows[budget.window]
                if window is not None and not budget.is_daily:
                    found[meter_name(budget.unit, window.name, scope, value)] = (budget.unit, window)
        return found

    def matching(self, call: Attribution, windows: Windows, at: datetime) -> list[Check]:
        """The budgets the call must pass at the instant `at`, one a meter: the most specific."""
        chosen: dict[str, Check] = {}
        for scope, value in call.scopes():
            for budget in self._candidates(scope, value):
                window = windows[budget.window]
                if window is None or (budget.expires_at is not None and budget.expires_at <= at):
                    continue
                meter = meter_name(budget.unit, window.name, scope, value)
                known = chosen.get(meter)
                if known is None or budget._rank > known.budget._rank:
                    chosen[meter] = Check(budget, meter, window)
        return list(chosen.values())

    def _candidates(self, scope: ScopeKind, value: str) -> Iterator[Budget]:
        yield from self._by_scope.get((scope, value), ())
        if scope is ScopeKind.TAG:
            yield from self._by_scope.get((scope, f"{value.partition('=')[0]}={EACH}"), ())
        elif scope is not ScopeKind.TENANT:
            yield from self._by_scope.get((scope, EACH), ())


class BudgetBook:
    """Everyone's budgets and the tenants' own, and the set that holds for each tenant, kept once it was asked for."""

    def __init__(self, lists: Mapping[str | None, Sequence[Budget]] | None = None) -> None:
        self._lists = dict(lists or {})
        self._sets: dict[str, BudgetSet] = {}
        self._metered: dict[str, BudgetSet | None] = {}
        self._everyones_metered = _general(self._lists.get(None, ()))

    def changed(self, lists: Mapping[str | None, Sequence[Budget]]) -> "BudgetBook":
        """The book after some owners' budgets were replaced; None is everyone."""
        return BudgetBook({**self._lists, **lists})

    def of(self, tenant: str) -> BudgetSet:
        """The budgets that hold for a tenant."""
        found = self._sets.get(tenant)
        if found is None:
            if len(self._sets) >= _SETS_MAX:
                self._sets.clear()
            found = self._sets[tenant] = BudgetSet([*self._lists.get(tenant, ()), *self._lists.get(None, ())])
        return found

    def listed(self, tenant: str) -> tuple[Budget, ...]:
        """The same as they are kept: everyone's, then the tenant's own."""
        return (*self._lists.get(None, ()), *self._lists.get(tenant, ()))

    def metered(self, tenant: str) -> BudgetSet | None:
        """The budgets whose meters have to be counted for a tenant beside its day in dollars, or None."""
        if tenant not in self._metered:
            if len(self._metered) >= _SETS_MAX:
                self._metered.clear()
            general = [*_general(self._lists.get(tenant, ())), *self._everyones_metered]
            self._metered[tenant] = BudgetSet(general) if general else None
        return self._metered[tenant]


def _general(budgets: Iterable[Budget]) -> list[Budget]:
    return [budget for budget in budgets if not budget.is_daily]
