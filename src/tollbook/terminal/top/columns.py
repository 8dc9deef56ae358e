"""The columns of each kind of line, and which of them a width has room for."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from rich.cells import cell_len

from tollbook.domain.money import NANOS_PER_USD
from tollbook.terminal.figures import bar, count, moment, percent, share, span, usd
from tollbook.terminal.names import safe
from tollbook.terminal.top.state import Order
from tollbook.terminal.top.view import Kind, Line, Place

_NAME_MIN = 14
_NAME_MAX = 60
_TENANT_MAX = 24
_WIDE = 100


class Cell(NamedTuple):
    """A piece of text and its style."""

    text: str
    style: str = ""


class Column(NamedTuple):
    """A column. `gives_way`: the highest goes first where there is no room, 0 never."""

    title: str
    width: int
    cell: Callable[[Line], Cell]
    gives_way: int = 0
    right: bool = True
    order: Order | None = None


def bar_width(size: "Sized") -> int:
    """How long a bar is in a line."""
    return 12 if size.width >= _WIDE else 8


class Sized(Protocol):
    """How much room there is."""

    @property
    def width(self) -> int: ...
    @property
    def plain(self) -> bool: ...


def columns_for(kind: Kind, place: Place, lines: Sequence[Line], size: Sized, now: datetime) -> list[Column]:
    """The columns that fit, the name first; it takes what the others leave."""
    columns = _OF[kind](lines, size, now)
    if kind in {Kind.AGENTS, Kind.RUNS, Kind.INSTANCES} and place.tenant is None:
        widest = max((cell_len(safe(line.tenant)) for line in lines), default=0)
        tenant = min(max(widest, len("TENANT")), _TENANT_MAX if size.width >= 100 else 14)
        columns.insert(0, Column("TENANT", tenant, lambda line: Cell(line.tenant), 0, right=False))
    wanted = min(max((cell_len(_name(line)) for line in lines), default=0), _NAME_MAX)
    least = max(_NAME_MIN, min(wanted, size.width // 4))
    while _taken(columns) + least > size.width - 1:
        losing = max(columns, key=lambda column: column.gives_way)
        if not losing.gives_way:
            break
        columns.remove(losing)
    name = max(6, min(max(wanted, _NAME_MIN), size.width - 1 - _taken(columns)))
    return [Column(_TITLES[kind], name, _named(kind), 0, right=False, order=Order.NAME), *columns]


def moment_text(text: str | None, now: datetime) -> str:
    """An instant as the time of today, or the day where it is of another."""
    if text is None:
        return ""
    at = moment(text)
    return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%b %d}"


def until_text(text: str | None, now: datetime) -> str:
    """How long until an instant; nothing where there is none."""
    return "" if text is None else f" in {span((moment(text) - now).total_seconds())}"


_TITLES = {
    Kind.TENANTS: "  TENANT",
    Kind.AGENTS: "  AGENT",
    Kind.MODELS: "  MODEL",
    Kind.RUNS: "  RUN",
    Kind.INSTANCES: "  AGENT",
}


def _name(line: Line) -> str:
    return f"  {line.guide}{safe(line.name)}"


def _named(kind: Kind) -> Callable[[Line], Cell]:
    def cell(line: Line) -> Cell:
        if line.throttled:
            return Cell(f"! {safe(line.name)}", "bad")
        if kind is Kind.INSTANCES and line.costliest:
            return Cell(f"* {line.guide}{safe(line.name)}", "bold")
        return Cell(_name(line), "" if kind is not Kind.MODELS or not line.sums.unpriced_nanos else "warn")

    return cell


def _taken(columns: Sequence[Column]) -> int:
    return sum(column.width + 1 for column in columns)


def _money(
    title: str,
    lines: Sequence[Line],
    nanos: Callable[[Line], int | None],
    gives_way: int,
    *,
    order: Order | None = None,
) -> Column:
    """An amount; a whole column has the same places, and is as wide as its widest."""
    # Whoever watches compares the large ones: cents are enough where there is a dollar anywhere.
    places = 2 if any((nanos(line) or 0) >= NANOS_PER_USD for line in lines) else 4
    width = max([len(title), 8, *(len(usd(found, places)) for line in lines if (found := nanos(line)) is not None)])

    def cell(line: Line) -> Cell:
        found = nanos(line)
        return Cell("" if found is None else usd(found, places), "dim" if not found else "")

    return Column(title, width, cell, gives_way, order=order)


def _counted(title: str, number: Callable[[Line], int | None], gives_way: int, *, order: Order | None = None) -> Column:
    def cell(line: Line) -> Cell:
        found = number(line)
        return Cell("" if found is None else count(found))

    return Column(title, 6, cell, gives_way, order=order)


def _spent(lines: Sequence[Line]) -> Column:
    return _money("SPENT", lines, lambda line: line.sums.cost_nanos, 0, order=Order.SPENT)


def _rate(lines: Sequence[Line], gives_way: int) -> Column:
    return _money("$/H", lines, lambda line: line.rate_nanos, gives_way, order=Order.RATE)


def _cached(gives_way: int) -> Column:
    return Column(
        "CACHED", 6, lambda line: Cell(percent(share(line.sums.cache_read, line.sums.input)), "dim"), gives_way
    )


def _tokens() -> list[Column]:
    return [
        _counted("CALLS", lambda line: line.sums.calls, 3, order=Order.CALLS),
        _counted("IN", lambda line: line.sums.input, 5),
        _counted("OUT", lambda line: line.sums.output, 6),
        _cached(4),
    ]


def _portion(lines: Sequence[Line], size: Sized, gives_way: int) -> list[Column]:
    """The share of the whole, as a number and as a bar."""
    total = sum(line.sums.cost_nanos for line in lines if line.own_nanos is None or line.guide == "")

    def portion(line: Line) -> float:
        return share(line.sums.cost_nanos, total) or 0.0

    def filled(line: Line) -> Cell:
        return Cell(bar(portion(line), bar_width(size), plain=size.plain), "bar")

    return [
        Column("SHARE", 5, lambda line: Cell(percent(portion(line))), gives_way),
        Column("", bar_width(size), filled, gives_way + 1, right=False),
    ]


def _of_tenants(lines: Sequence[Line], size: Sized, now: datetime) -> list[Column]:
    def level(line: Line) -> str:
        used = line.used or 0.0
        return "bad" if line.throttled or used >= 1 else "warn" if used >= 0.8 else "ok"

    def filled(line: Line) -> Cell:
        return Cell(bar(line.used or 0.0, bar_width(size), plain=size.plain), level(line))

    columns = [
        _spent(lines),
        _money("LIMIT", lines, lambda line: line.limit_nanos, 4),
        Column("USED", 5, lambda line: Cell(percent(line.used), level(line)), 0, order=Order.USED),
        Column("", bar_width(size), filled, 3, right=False),
        _rate(lines, 2),
        _money("FORECAST", lines, lambda line: line.forecast_nanos, 6),
        _counted("CALLS", lambda line: line.sums.calls, 5, order=Order.CALLS),
    ]
    if any(line.throttled for line in lines):

        def stopped(line: Line) -> Cell:
            left = until_text(line.reset_at, now).removeprefix(" in")
            return Cell(f"throttled{left}" if line.throttled else "", "bad")

        columns.append(Column("", 16, stopped, 1, right=False))
    return columns


def _of_agents(lines: Sequence[Line], size: Sized, now: datetime) -> list[Column]:  # noqa: ARG001 - as the others
    return [_spent(lines), *_portion(lines, size, 1), _rate(lines, 2), *_tokens()]


def _of_models(lines: Sequence[Line], size: Sized, now: datetime) -> list[Column]:  # noqa: ARG001 - as the others
    columns = [_spent(lines), *_portion(lines, size, 1), _rate(lines, 2), *_tokens()]
    if any(line.sums.unpriced_nanos for line in lines):

        def unpriced(line: Line) -> Cell:
            return Cell("no price" if line.sums.unpriced_nanos else "", "warn")

        columns.append(Column("", 8, unpriced, 1, right=False))
    return columns


def _of_runs(lines: Sequence[Line], size: Sized, now: datetime) -> list[Column]:  # noqa: ARG001 - as the others
    def lasted(line: Line) -> Cell:
        if line.first_ts is None or line.last_ts is None:
            return Cell("")
        return Cell(span((moment(line.last_ts) - moment(line.first_ts)).total_seconds()), "dim")

    return [
        _spent(lines),
        _rate(lines, 2),
        _counted("CALLS", lambda line: line.sums.calls, 4, order=Order.CALLS),
        _counted("AGENTS", lambda line: line.agents, 6),
        _cached(7),
        Column("BEGUN", 8, lambda line: Cell(moment_text(line.first_ts, now), "dim"), 5),
        Column("LATEST", 8, lambda line: Cell(moment_text(line.last_ts, now)), 1, order=Order.LATEST),
        Column("LASTED", 7, lasted, 8),
    ]


def _of_instances(lines: Sequence[Line], size: Sized, now: datetime) -> list[Column]:  # noqa: ARG001 - as the others
    return [
        _money("INCLUSIVE", lines, lambda line: line.sums.cost_nanos, 0),
        _money("OWN", lines, lambda line: line.own_nanos or None, 1),
        *_portion(lines, size, 7),
        *_tokens(),
    ]


_OF: dict[Kind, Callable[[Sequence[Line], Sized, datetime], list[Column]]] = {
    Kind.TENANTS: _of_tenants,
    Kind.AGENTS: _of_agents,
    Kind.MODELS: _of_models,
    Kind.RUNS: _of_runs,
    Kind.INSTANCES: _of_instances,
}
