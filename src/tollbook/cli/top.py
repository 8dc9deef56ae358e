"""`tollbook top`."""

import sys
import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text

from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson
from tollbook.cli.server import AccessData, TenantOption, Url, asking, own
from tollbook.domain.errors import ConfigError
from tollbook.terminal.names import json_text, safe
from tollbook.terminal.tables import console_for, is_plain
from tollbook.terminal.top.feed import Feed
from tollbook.terminal.top.frame import Size, once_rows
from tollbook.terminal.top.loop import show
from tollbook.terminal.top.state import INTERVALS_S, Order, State
from tollbook.terminal.top.view import Kind, Place

EXAMPLES = examples(
    "tollbook top",
    "tollbook top --tenant acme --view runs",
    "tollbook top --once --sort used",
    "TOLLBOOK_URL=https://ledger.example TOLLBOOK_API_KEY=tb_... tollbook top",
)

_STYLES = {"bad": "bold red", "warn": "yellow", "ok": "green", "bar": "cyan", "header": "dim", "sorted": "bold"}
_PIPE_WIDTH = 160


class View(StrEnum):
    """What to begin with."""

    TENANTS = "tenants"
    AGENTS = "agents"
    MODELS = "models"
    RUNS = "runs"


def top(
    tenant: TenantOption = None,
    *,
    view: Annotated[
        View | None, typer.Option(help="What to begin with.", show_default="tenants; a tenant's agents")
    ] = None,
    sort: Annotated[Order, typer.Option(help="What lines are sorted by.")] = Order.SPENT,
    name: Annotated[str, typer.Option("--filter", help="Only lines with this in their name.")] = "",
    interval: Annotated[
        float, typer.Option(help="Seconds between readings.", min=INTERVALS_S[0], max=INTERVALS_S[-1])
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Print it once, as into a pipe.")] = False,
    as_json: AsJson = False,
    url: Url = None,
    data: AccessData = None,
) -> None:
    """Watch who spends what, live: tenants, agents, models and runs, with limits and throttles. `?` shows the keys.

    Into a pipe, or with --once or --json, it is printed once.
    """
    place = Place(tenant=own(tenant))
    kind = place.kinds()[0] if view is None else Kind(view.value)
    if kind not in place.kinds():
        raise ConfigError(f"--view {kind} is of no single tenant: leave --tenant out")
    state = State.begin(place, kind, interval_s=interval)
    state.order, state.filter = sort, name
    with asking(url, data) as reader:
        feed = Feed(reader, time.monotonic)
        if not (once or as_json) and sys.stdout.isatty() and sys.stdin.isatty():
            show(feed, state, reader.url.partition("://")[2])
            return
        state.take(feed.read(place, kind))
    if as_json:
        document = state.reading().document()
        print(json_text({**document, "rows": [line.document() for line in state.lines()]}))
        return
    _print_once(state)


def _print_once(state: State) -> None:
    console = console_for()
    size = Size(console.width if console.is_terminal else _PIPE_WIDTH, 0, is_plain(console))
    for row in once_rows(state.reading(), state.lines(), size, datetime.now(UTC)):
        text = Text()
        for span, style in row.spans:
            text.append(safe(span), _STYLES.get(style, style if style in {"dim", "bold"} else ""))
        text.rstrip()
        console.print(text, no_wrap=True, overflow="crop")
