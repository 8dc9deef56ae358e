"""`tollbook tail`."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from tollbook.cli.examples import examples
from tollbook.cli.progress import note
from tollbook.cli.server import AccessData, TenantOption, Url, asking, own
from tollbook.domain.errors import ConfigError
from tollbook.domain.money import nanos_from_usd
from tollbook.terminal.following import Follower, Row
from tollbook.terminal.lines import entry_line, header_line
from tollbook.terminal.names import json_text
from tollbook.terminal.tables import console_for

EXAMPLES = examples(
    "tollbook tail",
    "tollbook tail --tenant acme --agent planner/researcher --min-usd 0.10",
    "tollbook tail --json --cursor-file seen.cursor --no-follow",
)
INTERRUPTED = 130


def tail(  # noqa: PLR0913 - the filters of `/v1/entries`, one option each
    tenant: TenantOption = None,
    *,
    agent: Annotated[str | None, typer.Option(help="This agent and all below it.", show_default="all")] = None,
    model: Annotated[str | None, typer.Option(help="This model alone.", show_default="all")] = None,
    run: Annotated[str | None, typer.Option(help="This run alone.", show_default="all")] = None,
    source: Annotated[str | None, typer.Option(help="This source alone.", show_default="all")] = None,
    flag: Annotated[
        str | None, typer.Option(help="unpriced, corrected, reported_differs or context_unknown.", show_default="all")
    ] = None,
    min_usd: Annotated[str | None, typer.Option(help="Only what cost so much or more.", show_default="all")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", help="Begin with so many that are booked.", min=0)] = 10,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", "-f/-F", help="Go on with what is booked.")] = True,
    cursor_file: Annotated[
        Path | None,
        typer.Option(help="Go on behind what was printed with this file before, and remember the place in it."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, as the API writes it.")
    ] = False,
    url: Url = None,
    data: AccessData = None,
) -> None:
    """Show entries as they are booked, each once, until Ctrl-C; a server that goes away is waited for."""
    if min_usd is not None:
        _checked(min_usd)
    filters = {
        "tenant": own(tenant),
        "agent": agent,
        "model": model,
        "run": run,
        "source": source,
        "flag": flag,
        "min_cost_usd": min_usd,
    }
    try:
        with asking(url, data) as reader:
            follower = Follower(reader, filters, pause=time.sleep, told=lambda why: note(f"tollbook: {why}"))
            _print_all(follower, lines, cursor_file, follow=follow, as_json=as_json)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _print_all(follower: Follower, lines: int, cursor_file: Path | None, *, follow: bool, as_json: bool) -> None:
    printer = _Printer(as_json=as_json)
    remembered = _remembered(cursor_file)
    if remembered is not None:
        follower.cursor = remembered
    else:
        printer.rows(follower.latest(lines))
        _remember(cursor_file, follower.cursor)
    if not follow and remembered is None:
        return
    for rows in follower.follow(once=not follow):
        printer.rows(rows)
        _remember(cursor_file, follower.cursor)


class _Printer:
    """Prints entries, each batch at once."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._console = console_for()
        self._width = self._console.width if self._console.is_terminal else None
        self._begun = False

    def rows(self, rows: list[Row]) -> None:
        """Print entries in their order and hand them over at once."""
        for row in rows:
            if self._as_json:
                print(json_text(row.raw))
            else:
                self._line(row)
        sys.stdout.flush()

    def _line(self, row: Row) -> None:
        if not self._begun and self._width is not None:
            self._console.print(Text(header_line(self._width), "dim"), overflow="crop")
        self._begun = True
        self._console.print(entry_line(row.entry, self._width), overflow="crop", no_wrap=True)


def _checked(min_usd: str) -> None:
    try:
        nanos_from_usd(min_usd)
    except ValueError as error:
        raise ConfigError(f"--min-usd: {error}") from error


def _remembered(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--cursor-file {path} cannot be read: {error}") from error


def _remember(path: Path | None, cursor: str | None) -> None:
    """Replace the file as a whole: one that is cut short would begin anew."""
    if path is None or cursor is None:
        return
    beside = path.with_name(f"{path.name}.new")
    try:
        beside.write_text(f"{cursor}\n", encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"--cursor-file {path} cannot be written: {error}") from error
