"""Puts the pages together into one application."""

from litestar import Litestar, MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from tollbook.domain.errors import StoreError
from tollbook.telemetry import LoopFailed
from tollbook.views.problems import Problem
from tollbook.web.access import provide_site, provide_viewer
from tollbook.web.live import Hub
from tollbook.web.pages.budgets import budgets, edit_budget, remove_budget, set_budget
from tollbook.web.pages.changes import changes
from tollbook.web.pages.entries import entries, entry
from tollbook.web.pages.fleet import fleet
from tollbook.web.pages.health import health
from tollbook.web.pages.keys import keys, make_key, revoke_key
from tollbook.web.pages.prices import accept_book, prices
from tollbook.web.pages.runs import run, runs
from tollbook.web.pages.sign_in import sign_in, sign_in_form, sign_out
from tollbook.web.pages.sources import add_source, make_webhook, remove_source, revoke_webhook, sources
from tollbook.web.pages.tenant import tenant
from tollbook.web.pages.tenants import tenants
from tollbook.web.refusals import refused
from tollbook.web.refusing import Refusal, not_found
from tollbook.web.session import Answer, PageRequest
from tollbook.web.shell import STATIC_PATH, Shell
from tollbook.web.site import Site

_BODY_BYTES_MAX = 64 * 1024
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_PAGES = frozenset(
    {"", "sign-in", "sign-out", "static", "tenants", "runs", "entries", "budgets", "prices", "sources", "keys"}
    | {"changes", "health"}
)
"""First segments of the paths that are answered here; all others are the API's."""


def takes(path: str) -> bool:
    """Whether a path is a page's."""
    return path.split("/", 2)[1] in _PAGES


@get(STATIC_PATH + "{file:path}", media_type=MediaType.TEXT)
async def static_file(request: PageRequest) -> Response[bytes]:
    """A file of the package; its address names its content."""
    shell: Shell = request.app.state.shell
    file = shell.files.get(request.url.path)
    if file is None:
        raise not_found("there is no such file")
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(file.content, media_type=file.media_type, headers=headers)


def build_web(site: Site) -> Litestar:
    """The application of the pages."""
    return Litestar(
        route_handlers=[
            *(static_file, sign_in, sign_in_form, sign_out, fleet, tenants, tenant),
            *(entries, entry, runs, run, changes, health),
            *(budgets, edit_budget, set_budget, remove_budget),
            *(prices, accept_book),
            *(sources, add_source, remove_source, make_webhook, revoke_webhook),
            *(keys, make_key, revoke_key),
        ],
        state=State({"site": site, "shell": Shell(), "hub": Hub(site)}),
        dependencies={
            "site": Provide(provide_site, sync_to_thread=False),
            "viewer": Provide(provide_viewer, sync_to_thread=False),
        },
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=None,
        request_max_body_size=_BODY_BYTES_MAX,
        after_request=with_headers,
        logging_config=None,
        debug=False,
    )


def with_headers(response: Answer) -> Answer:
    """Say what the browser may do with an answer."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _of_refusal(request: PageRequest, refusal: Refusal) -> Answer:
    return with_headers(refused(request, refusal))


def _of_problem(request: PageRequest, problem: Problem) -> Answer:
    return with_headers(refused(request, Refusal(problem.status, problem.code, problem.detail)))


def _of_store(request: PageRequest, failure: StoreError) -> Answer:
    # What the driver said names hosts and tables: it goes to the log, not to whoever looks.
    return with_headers(refused(request, Refusal(503, failure.code, "A store that this page needs is away.")))


def _of_http(request: PageRequest, failure: HTTPException) -> Answer:
    codes = {404: "not_found", 405: "method_not_allowed"}
    code = codes.get(failure.status_code, "request_invalid")
    details = {404: "There is no such page.", 405: "This page does not take that."}
    detail = details.get(failure.status_code, "What was asked says nothing that this page understands.")
    return with_headers(refused(request, Refusal(failure.status_code, code, detail)))


def _of_bug(request: Request[None, None, State], bug: Exception) -> Answer:
    request.app.state.site.telemetry.record(LoopFailed(f"web {request.method} {request.url.path}", repr(bug)))
    refusal = Refusal(500, "internal", "This is a defect of tollbook; its log says more.")
    return with_headers(refused(request, refusal))


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    Refusal: _of_refusal,
    Problem: _of_problem,
    StoreError: _of_store,
    HTTPException: _of_http,
    Exception: _of_bug,
}
