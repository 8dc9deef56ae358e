"""One view in four forms: a page, JSON, CSV, and events of its live regions."""

import csv
import io
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Literal, NamedTuple, cast

import msgspec
from litestar import Response

from tollbook.web.live import told
from tollbook.web.refusing import invalid
from tollbook.web.session import Answer, Connection, PageRequest, Viewer
from tollbook.web.shell import Shell

Form = Literal["html", "json", "csv", "events"]
_FORMS = ("html", "json", "csv", "events")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_UNKEPT = {"cache-control": "no-store"}

Cell = str | int | None


class Sheet(NamedTuple):
    """A table as CSV has it: names of columns, and rows. Dollars are decimal text, whole numbers are numbers."""

    columns: tuple[str, ...]
    rows: Iterable[tuple[Cell, ...]]


class View(NamedTuple):
    """What a page shows. `facts` is its JSON, `sheet` its CSV, `shown` what its template is given."""

    template: str
    title: str
    facts: object
    sheet: Sheet
    shown: Mapping[str, object]


Look = Callable[[], Awaitable[View]]
"""Makes the view anew: once for a page, again and again for its events."""


def form_of(connection: Connection) -> Form:
    """Which form of the view is asked for; raises a 400 on an unknown one."""
    form = connection.query_params.get("format", "html")
    if form not in _FORMS:
        raise invalid(f"format: there are {', '.join(_FORMS)}")
    return cast("Form", form)


async def answered(request: PageRequest, viewer: Viewer, look: Look) -> Answer:
    """A view in the form that is asked for."""
    shell: Shell = request.app.state.shell
    form = form_of(request)
    if form == "events":
        # What refuses the view refuses its events, before a stream is begun that would never tell anything.
        await look()
        # Regions are shared by all who see the same, so they carry the token of nobody's forms.
        anybody = msgspec.structs.replace(viewer, form_token="")

        async def render() -> dict[str, str]:
            seen = await look()
            return shell.regions(seen.template, anybody, request.url, seen.shown)

        return told(request, viewer, render)
    view = await look()
    if form == "json":
        return Response(msgspec.json.encode(view.facts), media_type="application/json", headers=_UNKEPT)
    if form == "csv":
        name = view.template.removesuffix(".html")
        headers = {**_UNKEPT, "content-disposition": f'attachment; filename="tollbook-{name}.csv"'}
        return Response(sheet_text(view.sheet), media_type="text/csv", headers=headers)
    page = shell.page(view.template, viewer, request.url, view.title, view.shown)
    return Response(page, media_type="text/html", headers=_UNKEPT)


def sheet_text(sheet: Sheet) -> str:
    """A table as CSV; a text that a spreadsheet would run as a formula gets a `'` before it."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(sheet.columns)
    for row in sheet.rows:
        writer.writerow([_harmless(cell) for cell in row])
    return written.getvalue()


def _harmless(cell: Cell) -> Cell:
    if isinstance(cell, str) and cell.startswith(_FORMULA) and not _is_amount(cell):
        return f"'{cell}"
    return cell


def _is_amount(text: str) -> bool:
    return text[1:].replace(".", "", 1).isdigit()
