"""The fleet at one glance: what it spends, against which limits, who and what spends most, and what needs attention."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, TypeVar

from tollbook.domain.errors import StoreError
from tollbook.domain.window import ONE_DAY
from tollbook.pipeline.directory import Directory
from tollbook.ports.clock import Clock
from tollbook.ports.journal import Depth, Journal
from tollbook.ports.reading import Reading, SpendRow
from tollbook.ports.views import Dearest, Engaged, ViewReading
from tollbook.views.forecast import Forecast, forecast_of, month_of, pace_from
from tollbook.views.tenants import TenantLine, Tenants, by_tenant, daily_of

Answer = TypeVar("Answer")

TOP = 10
RATE = timedelta(minutes=1)
_DAYS_SHOWN = 30
_YESTERDAY = timedelta(hours=26)
_PATIENCE_S = 1.0
_AGES_AGO = datetime(1, 1, 2, tzinfo=UTC)


class Moment(NamedTuple):
    """A sum of a day or of an hour."""

    at: date | datetime
    calls: int
    cost_nanos: int


class Waiting(NamedTuple):
    """What is not booked yet: records of the journal, the ages of the oldest there and in the inbox. None: unknown."""

    records: int | None
    lag_s: float | None
    inbox_s: float | None


class Fleet(NamedTuple):
    """Booked sums of one local day, for everyone or one tenant. `day` names each tenant's own day of that date.

    `limit` is the sum of the daily limits of those who spent something today, None where none of them has one.
    `yesterday_by_now` is what yesterday had come to a day ago, by whole hours.
    """

    day: date
    as_of: datetime
    today: SpendRow
    yesterday: SpendRow
    yesterday_by_now: int
    yesterday_calls_by_now: int
    month: SpendRow
    month_before_by_now: int
    limit: int | None
    forecast: Forecast
    month_forecast: int | None
    calls_last_minute: int
    hours: list[Moment]
    hours_before: list[Moment]
    days: list[Moment]
    tenants: list[TenantLine]
    tenants_spending: int
    agents: list[Dearest]
    models: list[Dearest]
    unpriced: list[Dearest]
    throttled: list[Engaged]
    waiting: Waiting


class FleetView:
    """The use case behind the first page."""

    def __init__(
        self,
        reading: Reading,
        views: ViewReading,
        journal: Journal,
        directory: Directory,
        clock: Clock,
    ) -> None:
        self._reading = reading
        self._views = views
        self._journal = journal
        self._directory = directory
        self._clock = clock
        self.tenants = Tenants(views, directory, clock)

    async def look(self, whose: str | None = None) -> Fleet:
        """The fleet, or one tenant as if it were all there is."""
        now = self._clock.now()
        window = self._directory.tenancy.calendar_of(whose or "").window_at(now)
        day = window.day
        by_day = await self._by_day(whose, day)
        hours = await self._reading.spend(whose, day - ONE_DAY, day, ("day", "hour"))
        today = _row(by_day, day)
        month = _sum(row for at, row in by_day.items() if at >= day.replace(day=1))
        recent = sum(row.cost_nanos for row in _between(hours, day, pace_from(now), window.end))
        before = _between(hours, day - ONE_DAY, _AGES_AGO, now - timedelta(days=1, hours=1))
        lines, spending, limit = await self._tenants(whose, now)
        ahead = forecast_of(today.cost_nanos, recent, window, now, limit)
        models = await self._views.dearest(whose, day, day, ("model",), 1_000)
        return Fleet(
            day=day,
            as_of=now,
            today=today,
            yesterday=_row(by_day, day - ONE_DAY),
            yesterday_by_now=sum(row.cost_nanos for row in before),
            yesterday_calls_by_now=sum(row.calls for row in before),
            month=month,
            month_before_by_now=_month_before(by_day, day),
            limit=limit,
            forecast=ahead,
            month_forecast=month_of(month.cost_nanos, today.cost_nanos, day, ahead),
            calls_last_minute=await self._views.booked_since(now - RATE) if whose is None else 0,
            hours=_hours(hours, day, window.start, window.end),
            hours_before=_hours(hours, day - ONE_DAY, window.start - ONE_DAY, window.start),
            days=[_moment(at, _row(by_day, at)) for at in _days(day, _DAYS_SHOWN)],
            tenants=lines,
            tenants_spending=spending,
            agents=await self._views.dearest(whose, day, day, ("tenant", "agent"), TOP),
            models=models[:TOP],
            unpriced=[model for model in models if model.unpriced_nanos],
            throttled=await self._views.engaged(self.tenants.partitions, whose, now),
            waiting=await self._waiting(),
        )

    async def pulse(self) -> tuple[int, int]:
        """Two numbers of which one moves whenever something is booked or configured."""
        return await self._views.pulse()

    async def _by_day(self, whose: str | None, day: date) -> dict[date, SpendRow]:
        """Days from the month before, or the first that is shown, to this month's last: a zone may be a day ahead."""
        first = min((day.replace(day=1) - ONE_DAY).replace(day=1), day - ONE_DAY * _DAYS_SHOWN)
        last = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - ONE_DAY
        rows = await self._reading.spend(whose, first, last, ("day",))
        return {row.group[0]: row for row in rows if isinstance(row.group[0], date)}

    async def _tenants(self, whose: str | None, now: datetime) -> tuple[list[TenantLine], int, int | None]:
        """The dearest tenants, how many spent something in their open day, and the sum of their daily limits."""
        if whose is not None:
            line = await self.tenants.line(whose)
            return [line], 1 if line.calls else 0, line.limit
        days = by_tenant(await self._views.tenant_days(self.tenants.partitions, now - _YESTERDAY))
        tenancy, book = self._directory.tenancy, self._directory.budgets
        spent = {
            name: found[window.day].cost_nanos
            for name, found in days.items()
            if (window := tenancy.window_at(name, now)).day in found
        }
        budgets = [daily_of(book, name) for name in spent]
        limits = [budget.limit for budget in budgets if budget is not None]
        dearest = sorted(spent, key=lambda name: (-spent[name], name))[:TOP]
        return await self.tenants.lines(dearest, days), len(spent), sum(limits) if limits else None

    async def _waiting(self) -> Waiting:
        depths: Sequence[Depth | None] = await asyncio.gather(
            *(_patiently(self._journal.depth(partition)) for partition in self.tenants.partitions)
        )
        known = [depth for depth in depths if depth is not None]
        inbox_s = await _patiently(self._reading.lag_s())
        if len(known) < len(depths):
            return Waiting(None, None, inbox_s)
        return Waiting(
            sum(depth.records for depth in known), max((depth.oldest_ms for depth in known), default=0) / 1000, inbox_s
        )


async def _patiently(question: Awaitable[Answer]) -> Answer | None:
    """The answer, or None where the store does not give it in time."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await question
    except (StoreError, TimeoutError):
        return None


def _between(rows: Sequence[SpendRow], day: date, first: datetime, last: datetime) -> list[SpendRow]:
    """The hours of a day that begin between two instants, both included."""
    return [
        row
        for row in rows
        if row.group[0] == day and isinstance(row.group[1], datetime) and first <= row.group[1] <= last
    ]


def _row(rows: dict[date, SpendRow], day: date) -> SpendRow:
    return rows.get(day, SpendRow((day,), 0, 0, 0, 0, 0, 0, 0, 0))


def _sum(rows: Iterable[SpendRow]) -> SpendRow:
    figures = zip((0,) * 8, *(row[1:] for row in rows), strict=True)
    return SpendRow((), *(sum(each) for each in figures))


def _month_before(by_day: dict[date, SpendRow], day: date) -> int:
    """What the month before had come to on its day of the same number, that day left out as today is not over."""
    first = (day.replace(day=1) - ONE_DAY).replace(day=1)
    return sum(row.cost_nanos for at, row in by_day.items() if first <= at < day.replace(day=1) and at.day < day.day)


def _days(last: date, count: int) -> list[date]:
    return [last - ONE_DAY * ago for ago in range(count - 1, -1, -1)]


def _moment(at: date | datetime, row: SpendRow) -> Moment:
    return Moment(at, row.calls, row.cost_nanos)


def _hours(rows: Sequence[SpendRow], day: date, start: datetime, end: datetime) -> list[Moment]:
    """Every UTC hour of a day, and those outside it in which tenants of other zones have that date."""
    found = {at: row for row in rows if row.group[0] == day and isinstance(at := row.group[1], datetime)}
    at = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while at < end:
        found.setdefault(at, SpendRow((day, at), 0, 0, 0, 0, 0, 0, 0, 0))
        at += timedelta(hours=1)
    return [_moment(at, found[at]) for at in sorted(found)]
