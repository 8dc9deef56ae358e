"""Budgets declared in a file: read, and compared with those in force."""

import tomllib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from tollbook.domain.budget import DEFAULT_DAILY, KEYS_PREFIX, Budget
from tollbook.domain.errors import ConfigError
from tollbook.domain.meter import Unit
from tollbook.domain.money import usd_text
from tollbook.domain.terms import Terms
from tollbook.ports.config import BudgetChange

Owned = tuple[str | None, str]
"""Who owns a budget (None: everyone) and its id."""


class _Tenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    budgets: dict[str, Terms] = {}


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    budgets: dict[str, Terms] = {}
    tenants: dict[str, _Tenant] = {}


class Step(NamedTuple):
    """A change that makes what is in force what was declared, with what stood there before."""

    change: BudgetChange
    before: Budget | None

    def __str__(self) -> str:
        """One line of a diff, two for a budget that becomes another."""
        name = f"{self.change.tenant or 'everyone'} {self.change.id}"
        lines = [f"- {name}: {budget_text(self.before)}"] if self.before else []
        if self.change.budget is not None:
            lines.append(f"+ {name}: {budget_text(self.change.budget)}")
        return "\n".join(lines)


def declared(text: str) -> dict[Owned, Budget]:
    """The budgets a file declares: `[budgets.<id>]` for everyone, `[tenants.<tenant>.budgets.<id>]` for one tenant.

    Raises `ConfigError` where the text is no TOML, or a budget breaks a rule.

    >>> declared('[budgets.run-cap]\\nscope = "run"\\nwindow = "run"\\nlimit_usd = 5')[None, "run-cap"].limit
    5000000000
    """
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"the file of budgets cannot be read: {error}") from error
    found: dict[Owned, Budget] = {}
    owners: list[tuple[str | None, Mapping[str, Terms]]] = [(None, file.budgets)]
    owners += [(name, tenant.budgets) for name, tenant in file.tenants.items()]
    for owner, budgets in owners:
        for budget_id, terms in budgets.items():
            try:
                found[owner, budget_id] = terms.budget(budget_id, owner)
            except ValueError as error:
                raise ConfigError(f"budget {budget_id} of {owner or 'everyone'}: {error}") from error
    return found


def steps(wanted: Mapping[Owned, Budget], in_force: Iterable[Budget], *, prune: bool) -> list[Step]:
    """What has to change; with `prune` what the file leaves out goes, but everyone's daily limit and keys' shares."""
    known = {(budget.tenant, budget.id): budget for budget in in_force}
    found = [
        Step(BudgetChange(*owned, budget), known.get(owned))
        for owned, budget in wanted.items()
        if known.get(owned) != budget
    ]
    if prune:
        found += [
            Step(BudgetChange(*owned, None), budget)
            for owned, budget in known.items()
            if owned not in wanted and owned != (None, DEFAULT_DAILY) and not budget.id.startswith(KEYS_PREFIX)
        ]
    return found


def budget_text(budget: Budget) -> str:
    """A budget in a line.

    >>> budget_text(declared('[budgets.m]\\nwindow = "month"\\nlimit_calls = 9')[None, "m"])
    '9 calls a month, throttle'
    """
    amount = f"${usd_text(budget.limit)}" if budget.unit is Unit.USD else f"{budget.limit} {budget.unit}"
    scope = "" if budget.scope == "tenant" else f" of {budget.scope} {budget.match}"
    action = f"{budget.action} to {budget.degrade_to}" if budget.degrade_to else f"{budget.action}"
    parts = [f"{amount} a {budget.window}{scope}", action]
    parts += [f"mode {budget.mode}"] if budget.mode else []
    parts += [f"fail {budget.fail}"] if budget.fail else []
    parts += [f"until {budget.expires_at.isoformat()}"] if budget.expires_at else []
    if budget.thresholds != (50, 80, 100):
        parts.append("thresholds " + " ".join(map(str, budget.thresholds)))
    return ", ".join(parts)
