"""`/v1/statements/<tenant>/<period>`: what a tenant is billed for a month."""

import asyncio
from typing import Annotated, Literal

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter

from tollbook.api.asking import SECURITY, Who, World, name_of, query_invalid, reader
from tollbook.api.auth import require_tenant
from tollbook.api.failures import problems
from tollbook.api.problems import Problem
from tollbook.domain.errors import ConfigError
from tollbook.domain.period import Period
from tollbook.statements.markup import Terms
from tollbook.statements.page import CONTENT_POLICY, statement_html
from tollbook.statements.paper import Paper, pdf_engine, statement_pdf
from tollbook.statements.sheet import statement_csv
from tollbook.statements.statement import Statement
from tollbook.statements.wire import StatementShown, shown

Form = Literal["json", "csv", "html", "pdf"]

_MEDIA_TYPES: dict[Form, str] = {
    "json": "application/json",
    "csv": "text/csv",
    "html": "text/html",
    "pdf": "application/pdf",
}
_FORMS = {media_type: form for form, media_type in _MEDIA_TYPES.items()}
_LINES_MAX = 20_000
"""Beyond, a page is tens of megabytes: the command line writes it to a file."""


@get(
    "/v1/statements/{tenant:str}/{period:str}",
    guards=[reader],
    security=SECURITY,
    tags=["statements"],
    summary="A tenant's statement of a month",
    responses={
        200: ResponseSpec(StatementShown, description="Or CSV, HTML, PDF.", generate_examples=False),
        **problems(400, 401, 403, 501, 503),
    },
)
async def statement(
    request: Request[None, None, State],
    services: World,
    principal: Who,
    *,
    tenant: FromPath[str],
    period: FromPath[str],
    form: Annotated[
        Form | None,
        QueryParameter(name="format", description="json, csv, html or pdf; else what Accept asks for."),
    ] = None,
    markup_percent: Annotated[
        str | None,
        QueryParameter(name="markup_percent", max_length=32, description="On the total: 12.5 or 100/3."),
    ] = None,
    note: Annotated[
        str | None,
        QueryParameter(name="note", max_length=500, description="A line below the total."),
    ] = None,
    paper: Annotated[Paper, QueryParameter(name="paper", description="Of a PDF: a4 or letter.")] = Paper.A4,
) -> Response[bytes]:
    """Lines by agent, model and rate card, corrections of closed periods, and sums equal to the entries."""
    whose = name_of(tenant, "tenant")
    require_tenant(principal, whose)
    which = period_of(period)
    try:
        terms = Terms(markup_percent, note)
    except ConfigError as error:
        raise query_invalid(str(error)) from error
    wanted = form or _FORMS[request.accept.best_match(list(_FORMS), default="application/json") or "application/json"]
    if wanted == "pdf":
        _require_pdf()
    calendar = services.directory.tenancy.calendar_of(whose)
    found = await services.statements.of(whose, which, calendar, terms)
    if len(found.usage) + len(found.corrections) > _LINES_MAX:
        raise query_invalid(f"more than {_LINES_MAX} lines: use `tollbook statement`")
    # A year of lines is seconds of work: other requests are answered meanwhile.
    content = await asyncio.to_thread(_rendered, found, wanted, paper)
    return Response(content, media_type=_MEDIA_TYPES[wanted], headers=_headers(wanted, which))


def period_of(text: str) -> Period:
    """The period that a path names; raises a 400 where it names none."""
    try:
        return Period.of(text)
    except ValueError as error:
        raise query_invalid(str(error)) from error


def _rendered(found: Statement, form: Form, paper: Paper) -> bytes:
    match form:
        case "json":
            return msgspec.json.encode(shown(found))
        case "csv":
            return statement_csv(found).encode()
        case "html":
            return statement_html(found).encode()
        case "pdf":
            return statement_pdf(found, paper)


def _require_pdf() -> None:
    try:
        pdf_engine()
    except ConfigError as error:
        raise Problem(501, "pdf_unavailable", str(error)) from error


def _headers(form: Form, period: Period) -> dict[str, str]:
    headers = {
        # A name of ours alone: a tenant's may hold what a header may not.
        "content-disposition": f'inline; filename="statement-{period.text}.{form}"',
        "vary": "accept, authorization",
        "cache-control": "private, no-store",
        "x-content-type-options": "nosniff",
    }
    if form == "html":
        headers["content-security-policy"] = CONTENT_POLICY
    return headers
