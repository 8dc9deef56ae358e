"""`tollbook statement`."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tollbook.app.wiring import World
from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson, say
from tollbook.cli.server import complete_tenant
from tollbook.cli.stores import Data, run, tenant_named
from tollbook.domain.errors import ConfigError
from tollbook.domain.period import Period
from tollbook.statements.markup import Terms
from tollbook.statements.page import statement_html
from tollbook.statements.paper import Paper, statement_pdf
from tollbook.statements.plain import statement_text
from tollbook.statements.sheet import statement_csv
from tollbook.statements.statement import Statement
from tollbook.statements.wire import shown
from tollbook.terminal.names import json_text

EXAMPLES = examples(
    "tollbook statement acme 2026-11",
    "tollbook statement acme 2026-11 -o acme.pdf --markup-percent 12.5",
)


class Form(StrEnum):
    """How a statement is written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"
    HTML = "html"
    PDF = "pdf"


def statement(
    tenant: Annotated[str, typer.Argument(help="Whose statement.", autocompletion=complete_tenant)],
    period: Annotated[str, typer.Argument(help="A month of the tenant's days, such as 2026-11.")],
    *,
    data: Data = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; its ending names the format.", show_default=False),
    ] = None,
    form: Annotated[
        Form | None, typer.Option("--format", help="Written to standard output, but for PDF.", show_default="text")
    ] = None,
    markup: Annotated[
        str | None, typer.Option("--markup-percent", help="Added to the total: 12.5 or 100/3.", show_default=False)
    ] = None,
    note: Annotated[
        str | None,
        typer.Option("--note", help="A line below the total, such as a rate of exchange.", show_default=False),
    ] = None,
    paper: Annotated[Paper, typer.Option("--paper", help="The sheet that a PDF is set for.")] = Paper.A4,
    as_json: AsJson = False,
) -> None:
    """Print or write what a tenant is billed for a month: lines by agent, model and rate card, and corrections."""
    if as_json and form is not None:
        raise ConfigError("--json says the format already")
    form = Form.JSON if as_json else _form(form, output)
    whose, which, terms = tenant_named(tenant), period_named(period), Terms(markup, note)
    found = run(data, lambda world: _statement(world, whose, which, terms))
    content = _rendered(found, form, paper)
    if output is None:
        text = content.decode().rstrip("\n")
        # Another program reads the other forms: they stay as they are.
        say(text) if form is Form.TEXT else print(text)
        return
    output.write_bytes(content)
    print(f"{output}: {form.value}, {len(content):,} bytes", file=sys.stderr)


def period_named(text: str) -> Period:
    """The text as a period; raises `ConfigError` where it names none."""
    try:
        return Period.of(text)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _form(form: Form | None, output: Path | None) -> Form:
    if form is None:
        ending = "" if output is None else output.suffix.lower().removeprefix(".")
        if output is not None and ending not in {one.value for one in Form} - {"text"}:
            raise ConfigError("end the file with .pdf, .html, .csv or .json, or say --format")
        form = Form(ending or "text")
    if form is Form.PDF and output is None:
        raise ConfigError("a PDF is no text for a terminal: name a file with --output")
    return form


async def _statement(world: World, tenant: str, period: Period, terms: Terms) -> Statement:
    return await world.statements().of(tenant, period, world.directory.tenancy.calendar_of(tenant), terms)


def _rendered(found: Statement, form: Form, paper: Paper) -> bytes:
    match form:
        case Form.TEXT:
            return statement_text(found).encode()
        case Form.JSON:
            return json_text(shown(found)).encode()
        case Form.CSV:
            return statement_csv(found).encode()
        case Form.HTML:
            return statement_html(found).encode()
        case Form.PDF:
            return statement_pdf(found, paper)
