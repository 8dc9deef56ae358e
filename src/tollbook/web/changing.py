"""Changes by forms: said in words first, made when they are confirmed."""

from collections.abc import Mapping
from typing import NamedTuple

from litestar import Response
from litestar.response import Redirect

from tollbook.web.session import Answer, PageRequest, Viewer
from tollbook.web.shell import Shell

CONFIRMED = "confirmed"
_UNKEPT = {"cache-control": "no-store"}


class Intent(NamedTuple):
    """What a form is about to do, said before it does: `facts` are (name, before, after)."""

    title: str
    does: str
    button: str
    back: str
    danger: bool = False
    facts: tuple[tuple[str, str, str], ...] = ()


def asked_first(request: PageRequest, viewer: Viewer, fields: dict[str, str], intent: Intent) -> Answer | None:
    """A page that says what will happen and carries the fields on; None where that was confirmed."""
    if fields.pop(CONFIRMED, "") == "yes":
        return None
    shown = {"intent": intent, "fields": {**fields, CONFIRMED: "yes"}, "action": request.url.path}
    return page(request, viewer, "confirm.html", intent.title, shown)


def page(
    request: PageRequest, viewer: Viewer, template: str, title: str, shown: Mapping[str, object], *, status: int = 200
) -> Answer:
    """A page that answers a form."""
    shell: Shell = request.app.state.shell
    text = shell.page(template, viewer, request.url, title, shown)
    return Response(text, status_code=status, media_type="text/html; charset=utf-8", headers=_UNKEPT)


def back_to(address: str) -> Answer:
    """Lead on after a change, so that a reload does not make it again."""
    return Redirect(address, status_code=303, headers=_UNKEPT)
