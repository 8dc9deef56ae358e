"""Budgets in Postgres: what holds, what became of it, and meters counted anew where a budget names new ones."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

import asyncpg
import msgspec

from tollbook.domain.budget import DEFAULT_DAILY, Budget
from tollbook.domain.errors import BudgetClash, BudgetMoved
from tollbook.domain.meter import ScopeKind, WindowKind
from tollbook.domain.tenancy import Tenancy
from tollbook.ledger.pool import Connection
from tollbook.ledger.queries import Queries
from tollbook.ports.config import BudgetChange, BudgetListing, OwnersBudgets

EVERYONE = ""
"""How tables call the owner of everyone's budgets; the domain says None."""

_BACKFILL_TIMEOUT_S = 3_600.0
_RUN_KEPT = timedelta(days=35)
_ROLLED = frozenset({ScopeKind.TENANT, ScopeKind.AGENT, ScopeKind.MODEL})
_REACH = {
    WindowKind.MINUTE: timedelta(minutes=10),
    WindowKind.HOUR: timedelta(hours=3),
    WindowKind.DAY: timedelta(days=3),
    WindowKind.WEEK: timedelta(days=10),
    WindowKind.MONTH: timedelta(days=35),
    WindowKind.RUN: _RUN_KEPT,
}
"""How far back an open window of a kind can have begun: a day may last two where a zone changes."""

Key = tuple[str, str]


class _Counting(NamedTuple):
    """What makes a budget's meters: two budgets that agree in it name the same ones."""

    scope: str
    match: str
    window: str
    unit: str


class _Standing(NamedTuple):
    """A budget before its change."""

    version: int
    counting: _Counting


class BudgetChanges:
    """Writes budgets within a transaction that has raised the configuration's version, and with it locked the ledger's
    row: one change at a time."""

    def __init__(self, connection: Connection, queries: Queries, version: int, by: str) -> None:
        self._connection = connection
        self._sql = queries
        self._version = version
        self._by = by

    async def make(self, changes: Sequence[BudgetChange], now: datetime) -> frozenset[int]:
        """Make changes and count the meters they name anew; the partitions where totals changed.

        Raises `BudgetClash` where two budgets of one owner would name the same meters, `BudgetMoved` where one does not
        stand at the version its change expects.
        """
        before = await self._standing(changes)
        for change in changes:
            found = before.get(_key(change))
            if change.expected not in (None, 0 if found is None else found.version):
                raise BudgetMoved(f"the budget {change.id} is not at version {change.expected} any more")
        named = [change for change in changes if _names_anew(change, before)]
        partitions = await self._lock([*named, *(change for change in changes if change.budget is None)])
        # What goes makes room for what comes.
        for change in sorted(changes, key=lambda change: change.budget is not None):
            await self._write(change)
        if partitions:
            await self._connection.execute(self._sql["meter_scopes_set"], partitions)
        touched: dict[int, dict[Key, None]] = {}
        for change in named:
            if change.budget is not None:
                for tenant, meter, partition in await self._backfill(change.budget, now):
                    touched.setdefault(partition, {})[tenant, meter] = None
        for partition, meters in sorted(touched.items()):
            await self._connection.fetchval(
                self._sql["batch_of_backfill"],
                partition,
                [tenant for tenant, _ in meters],
                [meter for _, meter in meters],
            )
        return frozenset(touched)

    async def standing(self, changes: Sequence[BudgetChange]) -> list[BudgetChange]:
        """Those of some changes whose budget stands."""
        known = await self._standing(changes)
        return [change for change in changes if _key(change) in known]

    async def _standing(self, changes: Sequence[BudgetChange]) -> dict[Key, _Standing]:
        keys = [_key(change) for change in changes]
        rows = await self._connection.fetch(
            self._sql["budgets_of"], [tenant for tenant, _ in keys], [budget_id for _, budget_id in keys]
        )
        return {(row["tenant"], row["id"]): _Standing(row["version"], _counting(budget_of(row))) for row in rows}

    async def _lock(self, changes: Iterable[BudgetChange]) -> list[int]:
        owners = {change.tenant for change in changes if change.id != DEFAULT_DAILY}
        if not owners:
            return []
        facts = await self._connection.fetchrow(self._sql["ledger_facts"])
        moved = {row["tenant"]: row["partition"] for row in await self._connection.fetch(self._sql["config_moved"])}
        tenancy = Tenancy(partitions=facts["partitions"], moved=moved)
        partitions = (
            range(tenancy.partitions)
            if None in owners
            else sorted({tenancy.partition_of(owner) for owner in owners if owner is not None})
        )
        await self._connection.fetch(self._sql["partitions_lock"], list(partitions))
        return list(partitions)

    async def _write(self, change: BudgetChange) -> None:
        owner, budget = change.tenant or EVERYONE, change.budget
        if budget is None:
            await self._connection.execute(self._sql["budget_delete"], owner, change.id)
        else:
            try:
                await self._connection.execute(self._sql["budget_put"], *_columns(budget), self._version, self._by)
            except asyncpg.UniqueViolationError as error:
                raise BudgetClash(
                    f"another budget of the same owner limits {budget.unit} a {budget.window} of {budget.scope} "
                    f"{budget.match}; change that one"
                ) from error
        terms = None if budget is None else msgspec.json.encode(budget).decode()
        await self._connection.execute(self._sql["budget_change_add"], self._version, owner, change.id, terms, self._by)

    async def _backfill(self, budget: Budget, now: datetime) -> list[asyncpg.Record]:
        reach = now - _REACH[budget.window]
        alive = now - _RUN_KEPT
        source = "entry"
        if budget.window is WindowKind.RUN:
            if budget.scope is ScopeKind.TAG:
                reach = await self._connection.fetchval(self._sql["oldest_run"], alive) or reach
            else:
                source = "run"
        elif budget.scope in _ROLLED and budget.window not in (WindowKind.MINUTE, WindowKind.HOUR):
            source = "rollup"
        rows: list[asyncpg.Record] = await self._connection.fetch(
            self._sql["meters_backfill"],
            budget.tenant or EVERYONE,
            *_counting(budget),
            source,
            reach.date(),
            reach,
            alive,
            now,
            timeout=_BACKFILL_TIMEOUT_S,
        )
        return rows


def _key(change: BudgetChange) -> Key:
    return (change.tenant or EVERYONE, change.id)


def _counting(budget: Budget) -> _Counting:
    return _Counting(budget.scope.value, budget.match, budget.window.value, budget.unit.value)


def _names_anew(change: BudgetChange, before: dict[Key, _Standing]) -> bool:
    """Whether a change names meters that its budget did not name before; the tenant's day is always counted."""
    if change.budget is None or change.budget.is_daily:
        return False
    found = before.get(_key(change))
    return found is None or found.counting != _counting(change.budget)


def _columns(budget: Budget) -> tuple[object, ...]:
    return (
        budget.tenant or EVERYONE,
        budget.id,
        *_counting(budget),
        budget.limit,
        list(budget.thresholds),
        budget.action.value,
        budget.degrade_to,
        None if budget.mode is None else budget.mode.value,
        None if budget.fail is None else budget.fail.value,
        budget.expires_at,
    )


def budget_of(row: asyncpg.Record) -> Budget:
    """The budget in a row that has a budget's columns."""
    return msgspec.convert(
        {
            "tenant": row["tenant"] or None,
            "id": row["id"],
            "scope": row["scope"],
            "match": row["match"],
            "window": row["window_kind"],
            "unit": row["unit"],
            "limit": row["limit_amount"],
            "thresholds": row["thresholds"],
            "action": row["action"],
            "degrade_to": row["degrade_to"],
            "mode": row["mode"],
            "fail": row["fail"],
            "expires_at": row["expires_at"],
        },
        Budget,
    )


def listing_of(row: asyncpg.Record) -> BudgetListing:
    """The budget in a row that has a budget's columns, with who set it and when."""
    return BudgetListing(budget_of(row), row["version"], row["updated_at"], row["updated_by"])


def owners_of(rows: Sequence[asyncpg.Record]) -> Iterator[OwnersBudgets]:
    """Rows of `budgets_since` by owner."""
    for (owner, changed), found in groupby(rows, key=lambda row: (row["owner"], row["changed"])):
        budgets = tuple(budget_of(row) for row in found if row["id"] is not None)
        yield OwnersBudgets(owner or None, budgets, changed)
