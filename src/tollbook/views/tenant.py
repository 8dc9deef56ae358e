"""One tenant: its spend over time, its budgets, the tree of its agents, what rang, and its latest calls."""

from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from tollbook.domain.window import ONE_DAY
from tollbook.enforcement.watch import State, Watch
from tollbook.pipeline.directory import Directory
from tollbook.ports.alerts import AlertRow, AlertStore
from tollbook.ports.clock import Clock
from tollbook.ports.finding import Finding
from tollbook.ports.reading import EntryRow, Reading, SpendRow
from tollbook.ports.views import Part, Split, Step, ViewReading
from tollbook.views.burndown import BurnDown, burn_downs
from tollbook.views.tenants import TenantLine, Tenants
from tollbook.views.tree import Node, Spent, tree_of

PARTS = 6
_DAYS_SHOWN = 30
_MONTHS_SHOWN = 12
_ALERTS_SHOWN = 12
_ENTRIES_SHOWN = 12


class Series(NamedTuple):
    """Spend over time in parts. `names` are the dearest, None all others; `values` nano-dollars by time, then part."""

    step: Step
    by: Split
    first_day: date
    last_day: date
    times: list[date | datetime]
    names: list[str | None]
    values: list[list[int]]


class Tenant(NamedTuple):
    """A tenant as it stands. `state` is what the counters show of its budgets, None where they cannot be asked."""

    line: TenantLine
    hours: list[int]
    days: list[int]
    series: Series
    tree: tuple[Node, ...]
    state: State | None
    burn_downs: list[BurnDown]
    alerts: list[AlertRow]
    entries: list[EntryRow]


class TenantView:
    """The use case behind a tenant's page."""

    def __init__(
        self,
        reading: Reading,
        views: ViewReading,
        alerts: AlertStore,
        *,
        finding: Finding,
        watch: Watch,
        directory: Directory,
        clock: Clock,
    ) -> None:
        self._reading = reading
        self._views = views
        self._alerts = alerts
        self._finding = finding
        self._watch = watch
        self._directory = directory
        self._clock = clock
        self._tenants = Tenants(views, directory, clock)

    async def look(self, tenant: str, step: Step, by: Split) -> Tenant:
        """The tenant now, its spend over the last hours, days or months by agent or model."""
        line = await self._tenants.line(tenant)
        first, last = days_of(step, line.day)
        agents = await self._reading.spend(tenant, first, last, ("agent",))
        split = agents if by == "agent" else await self._reading.spend(tenant, first, last, ("model",))
        series = await self._series(tenant, (first, last), step, by, dearest_of(split))
        state = await self._watch.look(tenant)
        hours = await self._views.parts(tenant, line.day, line.day, step="hour", by="agent", names=())
        days = await self._reading.spend(tenant, line.day - ONE_DAY * (_DAYS_SHOWN - 1), line.day, ("day",))
        by_day = {row.group[0]: row.cost_nanos for row in days}
        return Tenant(
            line=line,
            hours=[part.cost_nanos for part in hours],
            days=[by_day.get(line.day - ONE_DAY * ago, 0) for ago in range(_DAYS_SHOWN - 1, -1, -1)],
            series=series,
            tree=tree_of(Spent(str(row.group[0]), row.cost_nanos, row.calls) for row in agents),
            state=state,
            burn_downs=await burn_downs(self._reading, self._directory, line, state, self._clock.now()),
            alerts=await self._alerts.alerts(tenant, None, _ALERTS_SHOWN),
            entries=(await self._finding.entries(tenant, None, _ENTRIES_SHOWN)).rows,
        )

    async def _series(self, tenant: str, days: tuple[date, date], step: Step, by: Split, names: list[str]) -> Series:
        parts = await self._views.parts(tenant, *days, step=step, by=by, names=names)
        times = times_of(step, days, self._hours(tenant, days))
        return series_of(parts, times, names, Series(step, by, *days, times, [], []))

    def _hours(self, tenant: str, days: tuple[date, date]) -> tuple[datetime, datetime]:
        calendar = self._directory.tenancy.calendar_of(tenant)
        return calendar.window_of(days[0]).start, calendar.window_of(days[1]).end


def dearest_of(rows: Sequence[SpendRow]) -> list[str]:
    """The names that are told apart, of rows grouped by name: the dearest first."""
    return [str(row.group[0]) for row in sorted(rows, key=lambda row: (-row.cost_nanos, str(row.group[0])))[:PARTS]]


def days_of(step: Step, today: date) -> tuple[date, date]:
    """The local days that a view by hour, day or month shows.

    >>> days_of("month", date(2026, 11, 8))
    (datetime.date(2025, 12, 1), datetime.date(2026, 11, 30))
    """
    match step:
        case "hour":
            return today - ONE_DAY, today
        case "day":
            return today - ONE_DAY * (_DAYS_SHOWN - 1), today
        case "month":
            months = today.year * 12 + today.month - _MONTHS_SHOWN
            return date(months // 12, months % 12 + 1, 1), today.replace(day=monthrange(today.year, today.month)[1])


def times_of(step: Step, days: tuple[date, date], hours: tuple[datetime, datetime]) -> list[date | datetime]:
    """Every hour, day or month that a view shows, whether or not anything was spent in it."""
    match step:
        case "hour":
            first = hours[0].astimezone(UTC).replace(minute=0, second=0, microsecond=0)
            return [first + timedelta(hours=ahead) for ahead in range(-(-(hours[1] - first) // timedelta(hours=1)))]
        case "day":
            return [days[0] + ONE_DAY * ahead for ahead in range((days[1] - days[0]).days + 1)]
        case "month":
            first_month = days[0].year * 12 + days[0].month - 1
            return [date(month // 12, month % 12 + 1, 1) for month in range(first_month, first_month + _MONTHS_SHOWN)]


def series_of(parts: Sequence[Part], times: list[date | datetime], names: list[str], empty: Series) -> Series:
    """The parts in their places; the others come last, where there are any."""
    found = {(part.at, part.part): part.cost_nanos for part in parts}
    # Something may stand at a time that the calendar of today does not have: a change of zone moved the day since.
    every = sorted({*times, *(part.at for part in parts)})
    columns: list[str | None] = [*names]
    if any(part.part is None for part in parts):
        columns.append(None)
    values = [[found.get((at, name), 0) for name in columns] for at in every]
    return empty._replace(times=every, names=columns, values=values)
