"""The first page: who burns money now, and what needs attention."""

import msgspec
from litestar import get

from tollbook.domain.money import usd_text
from tollbook.web.access import SiteGiven, Who, signed_in
from tollbook.web.answering import Sheet, View, answered
from tollbook.web.session import Answer, PageRequest, Viewer
from tollbook.web.site import Site


class FleetFacts(msgspec.Struct, frozen=True):
    """What the page shows."""

    cost_usd: str


@get("/", guards=[signed_in])
async def fleet(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """Spend today."""

    async def look() -> View:
        return await view(site, viewer)

    return await answered(request, viewer, look)


async def view(site: Site, viewer: Viewer) -> View:
    """The fleet as it stands."""
    tenant = viewer.tenant(None)
    today = site.directory.tenancy.calendar_of(tenant or "").window_at(site.clock.now()).day
    rows = await site.reading.spend(tenant, today, today, ["tenant"])
    nanos = sum(row.cost_nanos for row in rows)
    sheet = Sheet(("tenant", "cost_usd"), [(str(row.group[0]), usd_text(row.cost_nanos)) for row in rows])
    return View("fleet.html", "Fleet", FleetFacts(usd_text(nanos)), sheet, {"today_nanos": nanos})
