"""How each tenant stands in its own day: spent, limit, pace, forecast."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple

from tollbook.domain.budget import Budget, BudgetBook
from tollbook.domain.meter import ScopeKind
from tollbook.domain.meter_parts import parts_of
from tollbook.domain.window import ONE_DAY
from tollbook.pipeline.directory import Directory
from tollbook.ports.clock import Clock
from tollbook.ports.views import Engaged, TenantDay, ViewReading
from tollbook.views.forecast import Forecast, forecast_of, month_of, pace_from

Order = Literal["spent", "name"]
_YESTERDAY = timedelta(hours=26)
"""A day that ended less long ago may be a tenant's yesterday, also where the clocks change."""


class TenantLine(NamedTuple):
    """A tenant in its own open day. Amounts are booked nano-dollars; `limit` None: no daily limit refuses or warns."""

    tenant: str
    day: date
    zone: str
    calls: int
    spent: int
    unpriced: int
    limit: int | None
    throttled: bool
    reset_at: datetime
    forecast: Forecast
    yesterday: int
    month: int
    month_forecast: int | None


class Place(NamedTuple):
    """Behind which line a page begins."""

    spent: int
    tenant: str


class TenantPage(NamedTuple):
    """Lines, and the place of the last one where more follow."""

    lines: list[TenantLine]
    next: Place | None


class Tenants:
    """The use case behind lists of tenants."""

    def __init__(self, reading: ViewReading, directory: Directory, clock: Clock) -> None:
        self._reading = reading
        self._directory = directory
        self._clock = clock

    async def page(self, whose: str | None, order: Order, after: Place | None, count: int) -> TenantPage:
        """Some tenants: by what they spent in their open days, the dearest first; or all that are known, by name."""
        if whose is not None:
            return TenantPage([] if after else [await self.line(whose)], None)
        now = self._clock.now()
        days = by_tenant(await self._reading.tenant_days(self.partitions, now - _YESTERDAY))
        if order == "name":
            named = await self._reading.tenants(after.tenant if after else "", count + 1)
            places = [Place(self._spent(days, tenant, now), tenant) for tenant in named]
        else:
            every = [Place(self._spent(days, tenant, now), tenant) for tenant in days]
            places = sorted(every, key=_rank)
            if after is not None:
                places = [place for place in places if _rank(place) > _rank(after)]
        kept = places[:count]
        lines = await self.lines([place.tenant for place in kept], days)
        return TenantPage(lines, kept[-1] if len(places) > count else None)

    async def line(self, tenant: str) -> TenantLine:
        """One tenant, whether or not anything is booked."""
        today = self._directory.tenancy.window_at(tenant, self._clock.now()).day
        days = by_tenant(await self._reading.tenant_days_of(tenant, today - ONE_DAY))
        return (await self.lines([tenant], days))[0]

    async def lines(self, tenants: Sequence[str], days: Mapping[str, Mapping[date, TenantDay]]) -> list[TenantLine]:
        """Some tenants, of whom the last days are known."""
        if not tenants:
            return []
        now, tenancy = self._clock.now(), self._directory.tenancy
        windows = {tenant: tenancy.window_at(tenant, now) for tenant in tenants}
        recent = await self._reading.paces({name: window.day for name, window in windows.items()}, pace_from(now))
        months = await self._reading.months({name: window.day.replace(day=1) for name, window in windows.items()})
        one = tenants[0] if len(tenants) == 1 else None
        engaged = whole_tenants(await self._reading.engaged(self.partitions, one, now))
        found = []
        for name, window in windows.items():
            today = days.get(name, {}).get(window.day, TenantDay(name, window.day, 0, 0, 0))
            before = days.get(name, {}).get(window.day - ONE_DAY)
            budget = daily_of(self._directory.budgets, name)
            limit = None if budget is None else budget.limit
            ahead = forecast_of(today.cost_nanos, recent.get(name, 0), window, now, limit)
            month = months.get(name, 0)
            found.append(
                TenantLine(
                    tenant=name,
                    day=window.day,
                    zone=tenancy.calendar_of(name).zone_of(window.day),
                    calls=today.calls,
                    spent=today.cost_nanos,
                    unpriced=today.unpriced_nanos,
                    limit=limit,
                    throttled=name in engaged or (budget is not None and refuses(budget, today.cost_nanos)),
                    reset_at=window.end,
                    forecast=ahead,
                    yesterday=0 if before is None else before.cost_nanos,
                    month=month,
                    month_forecast=month_of(month, today.cost_nanos, window.day, ahead),
                )
            )
        return found

    @property
    def partitions(self) -> range:
        """Every partition."""
        return range(self._directory.tenancy.partitions)

    def _spent(self, days: Mapping[str, Mapping[date, TenantDay]], tenant: str, now: datetime) -> int:
        found = days.get(tenant, {}).get(self._directory.tenancy.window_at(tenant, now).day)
        return 0 if found is None else found.cost_nanos


def by_tenant(days: Iterable[TenantDay]) -> dict[str, dict[date, TenantDay]]:
    """Days by tenant and date."""
    found: dict[str, dict[date, TenantDay]] = {}
    for day in days:
        found.setdefault(day.tenant, {})[day.day] = day
    return found


def daily_of(book: BudgetBook, tenant: str) -> Budget | None:
    """The budget of a tenant's day in dollars: its own, or everyone's."""
    found = [budget for budget in book.listed(tenant) if budget.is_daily]
    return found[-1] if found else None


def refuses(budget: Budget, spent: int) -> bool:
    """Whether a budget refuses what comes at a total."""
    return budget.refuses and spent >= budget.limit


def whole_tenants(engaged: Iterable[Engaged]) -> set[str]:
    """The tenants of which a budget of the whole tenant refuses."""
    return {found.tenant for found in engaged if parts_of(found.meter).scope is ScopeKind.TENANT}


def _rank(place: Place) -> tuple[int, str]:
    return -place.spent, place.tenant
