"""Refusals as pages, as problem documents, and as the way to the sign-in."""

from urllib.parse import quote

import msgspec
from litestar import Response
from litestar.response import Redirect

from tollbook.web.refusing import Refusal, SignInFirst
from tollbook.web.session import Answer, PageRequest
from tollbook.web.shell import Shell

_PROBLEM = "application/problem+json"
_TITLES = {
    400: "This address says nothing we understand",
    401: "Not signed in",
    403: "Not allowed",
    404: "Nothing here",
    405: "Not possible here",
    500: "A defect",
    503: "Not now",
}


def refused(request: PageRequest, refusal: Refusal) -> Answer:
    """The answer of a refusal, in the form that was asked for."""
    headers = {"cache-control": "no-store"}
    if refusal.status == 503:
        headers["retry-after"] = "1"
    if request.query_params.get("format", "html") != "html":
        problem = {
            "type": f"https://tollbook.dev/problems/{refusal.code}",
            "title": refusal.code.replace("_", " "),
            "status": refusal.status,
            "detail": refusal.detail,
            "code": refusal.code,
        }
        return Response(msgspec.json.encode(problem), status_code=refusal.status, media_type=_PROBLEM, headers=headers)
    if isinstance(refusal, SignInFirst) and request.method == "GET":
        query = f"?{request.url.query}" if request.url.query else ""
        return Redirect(f"/sign-in?next={quote(request.url.path + query, safe='')}", status_code=303, headers=headers)
    shell: Shell = request.app.state.shell
    # Who looks is not asked again: the answer must not depend on a store.
    title = _TITLES.get(refusal.status, "Refused")
    page = shell.page("refused.html", None, request.url, title, {"detail": refusal.detail, "code": refusal.code})
    return Response(page, status_code=refusal.status, media_type="text/html", headers=headers)
