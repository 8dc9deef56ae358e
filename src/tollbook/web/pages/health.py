"""How the system stands."""

from litestar import get

import tollbook
from tollbook.views.health import health as standing
from tollbook.web.access import SiteGiven, Who, signed_in
from tollbook.web.answering import Sheet, View, answered
from tollbook.web.session import Answer, PageRequest


@get("/health", guards=[signed_in])
async def health(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """Stores, what waits, prices, sources and hooks, live."""

    async def look() -> View:
        facts = await standing(site, viewer.principal, tollbook.__version__)
        hooks = await site.alerts.hooks() if viewer.is_admin and facts.postgres else []
        columns = ("partition", "records", "oldest_s")
        rows = ((one.partition, one.records, one.oldest_s) for one in facts.journal)
        return View("health.html", "Health", facts, Sheet(columns, rows), {"facts": facts, "hooks": hooks})

    return await answered(request, viewer, look)
