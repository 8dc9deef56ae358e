"""Who changed what, and when."""

from litestar import get

from tollbook.ports.changes import ChangeKind
from tollbook.views.changes import ChangeShown
from tollbook.views.changes import changes as page_of
from tollbook.web.access import SiteGiven, Who, admin
from tollbook.web.answering import Sheet, View, answered
from tollbook.web.asked import asked, rows_asked
from tollbook.web.session import Answer, PageRequest


@get("/changes", guards=[admin])
async def changes(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """The audit trail, newest first."""

    async def look() -> View:
        rows = rows_asked(request)
        page = await page_of(
            site,
            viewer.principal,
            tenant=asked(request, "tenant"),
            kind=asked(request, "kind"),
            cursor=asked(request, "cursor"),
            limit=rows,
        )
        kinds = [("", "everything"), *((kind.value, kind.value.replace("_", " ")) for kind in ChangeKind)]
        shown = {
            "page": page,
            "kinds": kinds,
            "kind": asked(request, "kind") or "",
            "tenant": asked(request, "tenant"),
            "first": asked(request, "cursor") is not None,
            "moved": moved,
        }
        columns = ("change_id", "at", "by", "kind", "action", "tenant", "name")
        rows_of = (tuple(getattr(row, column) for column in columns) for row in page.rows)
        return View("changes.html", "Changes", page, Sheet(columns, rows_of), shown)

    return await answered(request, viewer, look)


def moved(change: ChangeShown) -> list[tuple[str, str, str]]:
    """(name, before, after) of what a change moved."""
    before, after = change.before or {}, change.after or {}
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [(name, _text(before.get(name)), _text(after.get(name))) for name in names]


def _text(value: object) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
