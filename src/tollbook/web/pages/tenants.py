"""Every tenant in its open day."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.params import QueryParameter

from tollbook.views.facts import TenantFacts, tenant_facts
from tollbook.views.tenants import Order, Place
from tollbook.web.access import SiteGiven, Who, signed_in
from tollbook.web.answering import Sheet, View, answered
from tollbook.web.pages.fleet import TENANT_COLUMNS, tenant_cells
from tollbook.web.refusing import invalid
from tollbook.web.session import Answer, PageRequest

_ROWS = 50
_ROWS_OF_A_FILE = 10_000


class TenantList(msgspec.Struct, frozen=True):
    """The tenants of a page; `next` is the `cursor` of the page behind it, null on the last."""

    rows: list[TenantFacts]
    next: str | None


@get("/tenants", guards=[signed_in])
async def tenants(
    request: PageRequest,
    site: SiteGiven,
    viewer: Who,
    order: Annotated[Order, QueryParameter(name="order")] = "spent",
    cursor: Annotated[str | None, QueryParameter(name="cursor", max_length=2048)] = None,
) -> Answer:
    """A page of tenants."""
    after = _place(cursor)
    # A file has all of them, as nobody pages through files.
    rows = _ROWS_OF_A_FILE if request.query_params.get("format") in ("csv", "json") else _ROWS

    async def look() -> View:
        page = await site.fleet.tenants.page(viewer.tenant(None), order, after, rows)
        next_cursor = None if page.next is None else _text(page.next)
        shown: dict[str, Any] = {"lines": page.lines, "next": next_cursor, "order": order, "first": after is not None}
        facts = TenantList([tenant_facts(line) for line in page.lines], next_cursor)
        return View("tenants.html", "Tenants", facts, Sheet(TENANT_COLUMNS, map(tenant_cells, page.lines)), shown)

    return await answered(request, viewer, look)


def _text(place: Place) -> str:
    return urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    try:
        return msgspec.json.decode(urlsafe_b64decode(cursor), type=Place)
    except (ValueError, msgspec.DecodeError) as error:
        raise invalid("cursor: take it from the link of the page before, unchanged") from error
