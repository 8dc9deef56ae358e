"""Prices: the book in force and its age, those before it and those that wait, and what a model costs."""

from litestar import get, post

from tollbook.views.price_books import accept, books
from tollbook.views.prices import Prices
from tollbook.views.prices import prices as listed
from tollbook.views.problems import Problem
from tollbook.web.access import SiteGiven, Who, admin, changed, signed_in
from tollbook.web.answering import Sheet, View, answered
from tollbook.web.asked import asked
from tollbook.web.changing import Intent, asked_first, back_to
from tollbook.web.session import Answer, PageRequest, Viewer
from tollbook.web.site import Site

_LINE = ("price_id", "provider", "model", "context", "from", "to", "in_force", "origin", "unit", "usd", "per")


@get("/prices", guards=[signed_in])
async def prices(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """Price books; with a model, its rate cards."""

    async def look() -> View:
        shelf = await books(site, viewer.principal)
        model = asked(request, "model")
        found, missing = _model(site, viewer, request) if model is not None else (None, None)
        shown = {
            "shelf": shelf,
            "found": found,
            "missing": missing,
            "model": model,
            "provider": asked(request, "provider"),
            "tenant": asked(request, "tenant"),
            "may_accept": viewer.is_admin and viewer.principal.tenant is None,
            "waiting": [book for book in shelf.rows if book.waits],
            "past": [book for book in shelf.rows if not book.waits],
            "overrides": next((book.overrides for book in shelf.rows if book.in_force), ""),
        }
        if found is not None:
            columns = (
                "price_id",
                "provider",
                "model",
                "context",
                "from",
                "to",
                "in_force",
                "origin",
                "unit",
                "usd",
                "per",
            )
            return View("prices.html", f"Prices of {found.model}", found, Sheet(columns, _lines(found)), shown)
        names = ("digest", "version", "cards", "in_force", "first_seen_at", "accepted_at", "accepted_by", "waits")
        sheet = Sheet(names, ((*map(_cell, (getattr(book, name) for name in names)),) for book in shelf.rows))
        return View("prices.html", "Prices", shelf, sheet, shown)

    return await answered(request, viewer, look)


@post("/prices/accept", guards=[admin], status_code=200)
async def accept_book(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """Say what accepting a book means, then put it in force."""
    fields = await changed(request)
    digest = fields.get("digest", "")
    shelf = await books(site, viewer.principal)
    book = next((one for one in shelf.rows if one.digest == digest), None)
    waits = "" if book is None or book.waits is None else f" It waits because {book.waits}."
    intent = Intent(
        "Put this price book in force?",
        f"New calls are priced by {digest} within a second where a receiver has it. What is booked keeps its price "
        f"until somebody runs tollbook reprice.{waits}",
        "Put it in force",
        "/prices",
        facts=(("version", shelf.version, book.version if book else ""), ("digest", shelf.digest, digest)),
    )
    page = asked_first(request, viewer, fields, intent)
    if page is not None:
        return page
    await accept(site, viewer.principal, digest)
    return back_to("/prices")


def _model(site: Site, viewer: Viewer, request: PageRequest) -> tuple[Prices | None, str | None]:
    try:
        found = listed(
            site,
            viewer.principal,
            provider=asked(request, "provider"),
            model=asked(request, "model") or "",
            at=asked(request, "at"),
            tenant=asked(request, "tenant"),
        )
    except Problem as problem:
        if problem.status != 404:
            raise
        return None, problem.detail
    return found, None


def _lines(found: Prices) -> list[tuple[str | int | None, ...]]:
    return [
        (
            *(
                row.price_id,
                found.provider,
                found.model,
                " ".join(f"{key}={value}" for key, value in row.context.items()),
            ),
            *(row.effective_from, row.effective_to, int(row.in_force), row.origin, unit, price.usd, price.per),
        )
        for row in found.rows
        for unit, price in row.usd.items()
    ]


def _cell(value: object) -> str | int | None:
    return value if value is None or isinstance(value, (str, int)) else str(value)
