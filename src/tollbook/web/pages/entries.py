"""Entries: what the ledger keeps of each call, and one of them taken apart."""

from uuid import UUID

from litestar import get
from litestar.params import FromPath

from tollbook.views.entries import CORRECTED, FLAGS, Entries, EntriesAsked, Entry, found
from tollbook.views.explaining import Explained, explained
from tollbook.web.access import SiteGiven, Who, signed_in
from tollbook.web.answering import Sheet, View, answered
from tollbook.web.asked import asked, asked_moment, rows_asked
from tollbook.web.session import Answer, PageRequest, Viewer
from tollbook.web.site import Site

_COLUMNS = (
    *("entry_id", "ts", "tenant", "agent", "model", "provider", "run", "source", "id", "input", "output"),
    *("cache_read", "cache_write_5m", "cache_write_1h", "reasoning", "cost_usd", "reported_usd", "calls", "corrects"),
)
_FILTERS = ("tenant", "agent", "model", "provider", "run", "source", "from", "to", "flag", "min_cost_usd")
_NAMES = (("tenant", "Tenant"), ("agent", "Agent"), ("model", "Model"), ("provider", "Provider"), ("run", "Run"))


@get("/entries", guards=[signed_in])
async def entries(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """Entries that fit, newest first, live while the first page is shown."""

    async def look() -> View:
        return await _list(request, site, viewer)

    return await answered(request, viewer, look)


@get("/entries/{entry_id:uuid}", guards=[signed_in])
async def entry(request: PageRequest, site: SiteGiven, viewer: Who, entry_id: FromPath[UUID]) -> Answer:
    """How one entry's price was computed, and what became of its call."""

    async def look() -> View:
        told = await explained(site, viewer.principal, entry_id, asked(request, "ts"))
        return View("entry.html", "Entry", told, _lines(told), {"told": told})

    return await answered(request, viewer, look)


async def _list(request: PageRequest, site: Site, viewer: Viewer) -> View:
    wanted = EntriesAsked(
        tenant=asked(request, "tenant"),
        agent=asked(request, "agent"),
        model=asked(request, "model"),
        provider=asked(request, "provider"),
        run=asked(request, "run"),
        source=asked(request, "source"),
        since=asked_moment(request, "from"),
        until=asked_moment(request, "to"),
        flag=asked(request, "flag"),
        min_cost_usd=asked(request, "min_cost_usd"),
    )
    rows = rows_asked(request)
    page: Entries = await found(site, viewer.principal, wanted, asked(request, "cursor"), rows)
    flags = [("", "any"), *((name, name.replace("_", " ")) for name in (*FLAGS, CORRECTED))]
    shown = {
        "page": page,
        "wanted": wanted,
        "flags": flags,
        "names": _NAMES,
        "first": asked(request, "cursor") is not None,
        "filtered": any(
            asked(request, name) for name in (*dict(_NAMES), "source", "from", "to", "flag", "min_cost_usd")
        ),
        "days": {name: asked(request, name) for name in ("from", "to")},
    }
    return View("entries.html", "Entries", page, Sheet(_COLUMNS, (_row(row) for row in page.rows)), shown)


def _row(row: Entry) -> tuple[str | int | None, ...]:
    return tuple(getattr(row, column) for column in _COLUMNS)


def _lines(told: Explained) -> Sheet:
    columns = ("entry_id", "unit", "count", "usd", "per", "nanos", "ceiling")
    rows = (
        (told.entry.entry_id, line.unit, line.count, line.usd, line.per, line.nanos, int(line.ceiling))
        for line in told.lines
    )
    return Sheet(columns, rows)
