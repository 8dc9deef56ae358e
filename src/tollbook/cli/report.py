"""`tollbook report`."""

import sys
from typing import Annotated

import typer

from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson, say
from tollbook.cli.server import AccessData, TenantOption, Url, asking, own
from tollbook.domain.errors import ConfigError
from tollbook.terminal.names import json_text, safe
from tollbook.terminal.report import DIMENSIONS, Question, Report, dimensions_of, read_report
from tollbook.terminal.tables import console_for, report_csv, report_table, show_table

EXAMPLES = examples(
    "tollbook report",
    "tollbook report --by agent,model --from 30d --top 20",
    "tollbook report --by month,tenant --from 2026-09 --csv > spend.csv",
    "tollbook report --by hour --tenant acme --from today --json",
)


def complete_by(incomplete: str) -> list[str]:
    """The dimensions that may follow those already named."""
    before, comma, last = incomplete.rpartition(",")
    taken = set(before.split(","))
    return [f"{before}{comma}{name}" for name in DIMENSIONS if name.startswith(last) and name not in taken]


def report(
    by: Annotated[
        str,
        typer.Option("--by", help=f"Any of {', '.join(DIMENSIONS)}, separated by commas.", autocompletion=complete_by),
    ] = "day",
    *,
    since: Annotated[
        str | None,
        typer.Option(
            "--from", help="A day, a month, today, yesterday or 7d.", show_default="a week; by month, half a year"
        ),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="The last day, included.", show_default="today")] = None,
    tenant: TenantOption = None,
    sort: Annotated[
        str | None,
        typer.Option(help="cost, calls, input, output or a dimension.", show_default="time, then cost"),
    ] = None,
    top: Annotated[
        int | None, typer.Option(help="Only so many lines; the rest in one.", min=1, show_default="all")
    ] = None,
    trend: Annotated[bool, typer.Option(help="Show the course of each line.")] = True,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    url: Url = None,
    data: AccessData = None,
) -> None:
    """Show what was spent, by any dimensions, over days of the tenants' own calendars.

    Sums what is booked, to the nano-dollar what `GET /v1/spend` answers. Only tables round, for the eye.
    """
    if as_json and as_csv:
        raise ConfigError("--json or --csv, not both")
    question = Question(
        by=dimensions_of(by),
        since=since,
        until=until,
        tenant=own(tenant),
        sort=sort,
        top=top,
        trend=trend and not as_json and not as_csv,
    )
    with asking(url, data) as reader:
        found = read_report(reader, question)
    if as_json:
        print(json_text(found.document()))
    elif as_csv:
        text = report_csv(found)
        print(safe_lines(text) if sys.stdout.isatty() else text, end="")
    else:
        show(found, question)


def show(found: Report, question: Question) -> None:
    """The report as a table."""
    days = found.first_day if found.first_day == found.last_day else f"{found.first_day} to {found.last_day}"
    console = console_for()
    if not found.groups:
        say(f"nothing is booked {'on' if found.first_day == found.last_day else 'from'} {days}")
        return
    whose = f"{question.tenant}, " if question.tenant else ""
    console.print(safe(f"{whose}{days}"), style="dim")
    show_table(report_table(found, console), console)


def safe_lines(text: str) -> str:
    """Lines whose names can do a terminal no harm."""
    return "".join(f"{safe(line)}\n" for line in text.splitlines())
