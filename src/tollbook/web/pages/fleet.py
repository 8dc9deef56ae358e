"""The first page: who burns money now, and what needs attention."""

from collections.abc import Iterator
from typing import NamedTuple

from litestar import get

from tollbook.domain.meter import ScopeKind
from tollbook.domain.meter_parts import parts_of
from tollbook.domain.money import usd_text
from tollbook.views.facts import fleet_facts, ratio_text, usd_or_none
from tollbook.views.fleet import Fleet
from tollbook.views.tenants import TenantLine
from tollbook.web.access import SiteGiven, Who, signed_in
from tollbook.web.answering import Sheet, View, answered
from tollbook.web.charting import begun, days_chart, today_chart
from tollbook.web.figures import clock_text, count, lasted, money, named
from tollbook.web.naming import segment
from tollbook.web.session import Answer, PageRequest, Viewer
from tollbook.web.site import Site

_LAG_S = 5.0
_NAMED_MAX = 5
TENANT_COLUMNS = (
    "tenant",
    "day",
    "time_zone",
    "calls",
    "spent_usd",
    "limit_usd",
    "throttled",
    "forecast_usd",
    "yesterday_usd",
    "month_usd",
    "forecast_month_usd",
)


class Notice(NamedTuple):
    """Something that needs attention; `kind` is bad or warn."""

    kind: str
    badge: str
    text: str
    link: str


@get("/", guards=[signed_in])
async def fleet(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """The fleet, or the tenant that the viewer's key is bound to."""

    async def look() -> View:
        return await view(site, viewer)

    return await answered(request, viewer, look)


async def view(site: Site, viewer: Viewer) -> View:
    """The fleet as it stands."""
    found = await site.fleet.look(viewer.tenant(None))
    shown = {
        "fleet": found,
        "notices": list(notices(found)),
        "today_chart": today_chart(found),
        "days_chart": days_chart(found),
        "hour_values": [hour.cost_nanos for hour in found.hours if begun(hour.at, found.as_of)],
        "day_values": [day.cost_nanos for day in found.days],
        "rate": ratio_text(found.calls_last_minute, 60, 1),
    }
    sheet = Sheet(TENANT_COLUMNS, [tenant_cells(line) for line in found.tenants])
    return View("fleet.html", "Fleet", fleet_facts(found), sheet, shown)


def tenant_cells(line: TenantLine) -> tuple[str | int | None, ...]:
    """A tenant as a row of CSV."""
    return (
        line.tenant,
        line.day.isoformat(),
        line.zone,
        line.calls,
        usd_text(line.spent),
        usd_or_none(line.limit),
        "yes" if line.throttled else "no",
        usd_or_none(line.forecast.day),
        usd_text(line.yesterday),
        usd_text(line.month),
        usd_or_none(line.month_forecast),
    )


def notices(fleet: Fleet) -> Iterator[Notice]:
    """What needs attention, the worst first."""
    yield from _throttled(fleet)
    if fleet.waiting.records is None:
        yield Notice("bad", "Valkey away", "The counters do not answer: events are kept, agents go unchecked.", "/")
    slow = max(fleet.waiting.lag_s or 0.0, fleet.waiting.inbox_s or 0.0)
    if slow >= _LAG_S:
        yield Notice("bad", "behind", f"What arrives waits {lasted(slow)} to be booked: is a drain running?", "/")
    for line in fleet.tenants[:_NAMED_MAX]:
        if line.forecast.limit_at is None or line.throttled:
            continue
        at = clock_text(line.forecast.limit_at, line.zone)
        text = f"{named(line.tenant)} reaches its {money(line.limit or 0)} a day at {at} ({line.zone}) at this pace."
        yield Notice("warn", "limit ahead", text, f"/tenants/{segment(line.tenant)}")
    if fleet.unpriced:
        names = ", ".join(named(one.model or "") for one in fleet.unpriced[:_NAMED_MAX])
        more = f" and {len(fleet.unpriced) - _NAMED_MAX} more" if len(fleet.unpriced) > _NAMED_MAX else ""
        unpriced = money(sum(one.unpriced_nanos for one in fleet.unpriced))
        yield Notice("warn", "no price", f"{names}{more}: {unpriced} of today is counted at the ceiling.", "#models")


def _throttled(fleet: Fleet) -> Iterator[Notice]:
    for one in fleet.throttled[:_NAMED_MAX]:
        parts = parts_of(one.meter)
        what = named(one.tenant)
        if parts.scope is not ScopeKind.TENANT:
            what = f"{parts.scope.value} {named(parts.value)} of {what}"
        until = "" if one.ends_at is None else f" until {clock_text(one.ends_at)} UTC"
        text = f"{what} has spent its budget {named(one.budget_id)} and is refused{until}."
        yield Notice("bad", "throttled", text, f"/tenants/{segment(one.tenant)}")
    if len(fleet.throttled) > _NAMED_MAX:
        text = f"{count(len(fleet.throttled) - _NAMED_MAX)} more budgets refuse."
        yield Notice("bad", "throttled", text, "/tenants")
