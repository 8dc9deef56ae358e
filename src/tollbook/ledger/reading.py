"""The reading port over Postgres: read-only questions, each one statement."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import asyncpg
import msgspec

from tollbook.domain.errors import invariant
from tollbook.domain.window import ONE_DAY
from tollbook.ledger.booking import oldest_week, week_of
from tollbook.ledger.budgets import EVERYONE, listing_of
from tollbook.ledger.pool import connection_of
from tollbook.ledger.queries import Queries
from tollbook.ports.config import BudgetListing
from tollbook.ports.reading import DayTotal, Dimension, EntryRow, RunRow, SpendRow

_DIMENSIONS: tuple[Dimension, ...] = ("tenant", "day", "hour", "agent", "model")


class PostgresReading:
    """Implements `ports.reading.Reading`. The caller owns the pool."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries

    async def spend(
        self, tenant: str | None, first_day: date, last_day: date, by: Sequence[Dimension], rows_max: int = 100_000
    ) -> list[SpendRow]:
        """Sums over the tenants' local days first_day..last_day, both included, grouped by the dimensions."""
        asked = [dimension in by for dimension in _DIMENSIONS]
        whose = () if tenant is None else (tenant,)
        name = statement_for(tenant, first_day, last_day, by)
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(self._sql[name], first_day, last_day, *asked, rows_max, *whose)
        places = [_DIMENSIONS.index(dimension) for dimension in by]
        rows = [SpendRow(tuple(row[place] for place in places), *tuple(row)[len(_DIMENSIONS) :]) for row in found]
        return [row for row in rows if row.calls or row.cost_nanos]

    async def call(self, tenant: str | None, call: str, now: datetime) -> list[EntryRow]:
        """The entries of one call, the original first, then its corrections as they were made."""
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(
                self._sql["entries_of_call"], UUID(call), tenant, oldest_week(now), week_of(now)
            )
        return [entry_of(row) for row in found]

    async def run(self, tenant: str | None, run: str) -> list[tuple[str, RunRow]]:
        """(tenant, row) for every agent instance and model of a run."""
        async with connection_of(self._pool) as connection:
            if tenant is None:
                found = await connection.fetch(self._sql["run_of_all"], run)
            else:
                found = await connection.fetch(self._sql["run_of_tenant"], run, tenant)
        rows = [(whose, RunRow(*rest)) for whose, *rest in found]
        # Where every call went to another agent or model by corrections, nothing is left.
        return [(whose, row) for whose, row in rows if row.calls or row.cost_nanos]

    async def day(self, tenant: str, day: date) -> DayTotal:
        """The committed total of a tenant's day; zeros where nothing was booked."""
        async with connection_of(self._pool) as connection:
            row = await connection.fetchrow(self._sql["day_of_tenant"], tenant, day)
        return DayTotal(0, 0, 0) if row is None else DayTotal(*row)

    async def limit(self, tenant: str) -> int:
        """The daily limit in force, nano-dollars: the tenant's own or the default."""
        return (await self.daily(tenant)).budget.limit

    async def daily(self, tenant: str | None) -> BudgetListing:
        """The daily limit in force with who set it and when; its budget's `tenant` is None where it is the default."""
        async with connection_of(self._pool) as connection:
            row = await connection.fetchrow(self._sql["daily_of_tenant"], tenant or EVERYONE)
        invariant(row is not None, "the ledger has a default limit from its first migration on")
        return listing_of(row)

    async def lag_s(self) -> float:
        """Seconds since the oldest inbox record was received; 0 where the inbox is empty."""
        async with connection_of(self._pool) as connection:
            lag = await connection.fetchval(self._sql["inbox_lag"])
        return 0.0 if lag is None else float(lag)


def statement_for(tenant: str | None, first_day: date, last_day: date, by: Sequence[Dimension]) -> str:
    """Which statement answers with the fewest rows read; all of them say the same, to the nano-dollar.

    >>> statement_for("acme", date(2026, 11, 1), date(2026, 11, 30), ["model"])
    'spend_months_of_tenant'
    """
    whose = "all" if tenant is None else "tenant"
    if tenant is None and not {"tenant", "agent", "model"}.intersection(by):
        return "spend_hours_of_all"
    if "hour" in by:
        return f"spend_of_{whose}"
    whole = first_day.day == 1 and (last_day + ONE_DAY).day == 1
    return f"spend_{'months' if whole and 'day' not in by else 'days'}_of_{whose}"


def entry_of(row: asyncpg.Record) -> EntryRow:
    """A row that begins with the columns of `EntryRow`."""
    entry = EntryRow(*tuple(row)[: len(EntryRow._fields)])
    return entry._replace(
        entry_id=str(entry.entry_id),
        # asyncpg hands jsonb over as text.
        tags=None if entry.tags is None else msgspec.json.decode(row["tags"], type=dict[str, str]),
        corrects=None if entry.corrects is None else str(entry.corrects),
        context=None if entry.context is None else msgspec.json.decode(row["context"], type=dict[str, str]),
        units=None if entry.units is None else msgspec.json.decode(row["units"], type=dict[str, int]),
    )
