"""The screen as lines of styled text: a function of what was chosen and read, for any width."""

from datetime import datetime
from typing import NamedTuple

from rich.cells import cell_len

from tollbook.terminal.figures import bar, condensed, count, percent, sparkline, usd
from tollbook.terminal.names import fitted, padded, safe
from tollbook.terminal.top.columns import Cell, Column, columns_for, until_text
from tollbook.terminal.top.state import Order, State
from tollbook.terminal.top.view import Gauge, Kind, Line, Reading

HEIGHT_MIN = 6
WIDTH_MIN = 30

_BAR = 20
_HOURS = 24
_TITLES = {
    Kind.TENANTS: "Tenants",
    Kind.AGENTS: "Agents",
    Kind.MODELS: "Models",
    Kind.RUNS: "Runs",
    Kind.INSTANCES: "Instances",
}
_ORDERS = {
    Order.SPENT: "spent",
    Order.RATE: "$ an hour",
    Order.USED: "share of the limit",
    Order.CALLS: "calls",
    Order.NAME: "name",
    Order.LATEST: "latest call",
}
_HELP = (
    ("↑ ↓ PgUp PgDn Home End", "move"),
    ("Enter", "open: a tenant's agents, an agent's runs, a run's instances"),
    ("Esc", "back, or clear the filter"),
    ("Tab, 1 to 4", "tenants, agents, models, runs"),
    ("/", "filter by a part of a name; Enter keeps it, Esc clears it"),
    ("s", "sort by the next column"),
    ("P U R C N L", "sort by spent, used, $ an hour, calls, name, latest"),
    ("r", "turn the order round"),
    ("t", "throttled tenants only"),
    ("Space", "pause"),
    ("+ -", "read less often, more often"),
    ("q", "quit"),
)
_HELP_NOTE = (
    "$/h is what was spent in the last minute that was watched here; until",
    "then, for tenants, what the server says of the last hours.",
)


class Row(NamedTuple):
    """One line of the screen: pieces of text, each with a style of `screen.STYLES`."""

    spans: tuple[Cell, ...]

    @property
    def text(self) -> str:
        """The line without styles."""
        return "".join(span.text for span in self.spans)


class Size(NamedTuple):
    """Columns and lines, and whether only ASCII can be shown."""

    width: int
    height: int
    plain: bool = False


def frame(state: State, size: Size, now: datetime, server: str) -> list[Row]:
    """Exactly `size.height` rows of at most `size.width` columns; tells `state` how many lines there is room for."""
    if size.height < HEIGHT_MIN or size.width < WIDTH_MIN:
        small = Row((Cell(fitted(f"{WIDTH_MIN} x {HEIGHT_MIN} at least; q quits", size.width), "warn"),))
        return [small, *[Row(())] * (size.height - 1)][: size.height]
    reading = state.reading()
    head = [_title(state, size, now, server), *head_rows(reading, size, now)]
    head = head[: max(1, size.height - 5)]
    head.append(_tabs(state, reading, size))
    room = size.height - len(head) - 2
    body = _help(size, room + 1) if state.helping else _body(state, reading, size, room, now)
    return [*head, *body, _foot(state, reading, size)]


def once_rows(reading: Reading, lines: list[Line], size: Size, now: datetime) -> list[Row]:
    """The same for a pipe: everything that was read, once, without keys."""
    columns = columns_for(reading.kind, reading.place, lines, size, now)
    rows = [*head_rows(reading, size, now), Row(()), _header(columns, None)]
    rows += [Row(_cells(columns, line)) for line in lines]
    if reading.note:
        rows.append(Row((Cell(reading.note, "dim"),)))
    return rows


def head_rows(reading: Reading, size: Size, now: datetime) -> list[Row]:
    """What the whole place comes to."""
    head = reading.head
    return [_money(reading, size), _state(reading, size), *(_gauge(each, size, now) for each in head.gauges)]


def _title(state: State, size: Size, now: datetime, server: str) -> Row:
    place = state.level.place
    path = [("tenant", place.tenant), ("agent", place.agent), ("model", place.model), ("run", place.run)]
    where = "  ".join(f"{what} {name}" for what, name in path if name is not None) or "fleet"
    pace = "paused" if state.paused else f"every {state.interval_s:g} s"
    right = f"{server}  {pace}  {now:%H:%M:%S}Z"
    title = f"tollbook  {safe(where)}"
    if cell_len(title) + 1 + cell_len(right) > size.width:
        right = f"{pace}  {now:%H:%M:%S}Z"
    left = padded(title, size.width - cell_len(right) - 1)
    return Row((Cell(left, "bold"), Cell(" "), Cell(right, "warn" if state.paused else "dim")))


def _money(reading: Reading, size: Size) -> Row:
    head = reading.head
    parts = [[Cell("today " if reading.place.run is None else "run "), Cell(usd(head.spent_nanos), "bold")]]
    if head.limit_nanos:
        used = head.spent_nanos / head.limit_nanos
        meter = _meter(used, 12, head.spent_nanos, size)
        parts.append([Cell(f" of {usd(head.limit_nanos, 0)} ", "dim"), *meter, Cell(f" {percent(used)}")])
    if head.burn_nanos is not None:
        parts.append([Cell(f"  {usd(head.burn_nanos)}/h")])
    if head.forecast_nanos is not None:
        parts.append([Cell(f" -> {usd(head.forecast_nanos)} by midnight", "dim")])
    if head.month_nanos is not None:
        parts.append([Cell("  month ", "dim"), Cell(usd(head.month_nanos))])
    return _whole(parts, size.width)


def _state(reading: Reading, size: Size) -> Row:
    head = reading.head
    pace = "" if head.calls_per_second is None else f", {head.calls_per_second}/s"
    parts = [[Cell(f"{head.calls:,} calls{pace}", "dim")]]
    if head.throttled:
        parts.append([Cell("  "), Cell(f"! {len(head.throttled)} throttled", "bad")])
    if head.unpriced_nanos or head.unpriced_models:
        models = ", ".join(fitted(name, 24) for name in head.unpriced_models[:2])
        unpriced = f"no price: {models}" if models else f"{usd(head.unpriced_nanos)} without a price"
        parts.append([Cell("  "), Cell(unpriced, "warn")])
    if head.lag_s is not None:
        behind = head.lag_s not in {"0", "0.0"}
        parts.append([Cell(f"  journal {head.lag_s} s behind" if behind else "  journal empty", "dim")])
    if any(head.hours):
        left = size.width - sum(cell_len(span.text) for part in parts for span in part) - len("  hours ")
        course = sparkline(condensed(head.hours, max(min(left, _HOURS), _HOURS // 4)), plain=size.plain)
        parts.append([Cell("  hours ", "dim"), Cell(course, "bar")])
    return _whole(parts, size.width)


def _whole(parts: list[list[Cell]], width: int) -> Row:
    """The parts that find room as a whole, the first in any case."""
    shown = list(parts[0])
    for part in parts[1:]:
        if sum(cell_len(span.text) for span in [*shown, *part]) <= width:
            shown += part
    return _clipped(shown, width)


def _gauge(gauge: Gauge, size: Size, now: datetime) -> Row:
    used = gauge.spent / gauge.limit if gauge.limit else 1.0
    spent, limit = (
        (usd(gauge.spent), usd(gauge.limit)) if gauge.unit == "usd" else (count(gauge.spent), count(gauge.limit))
    )
    wide = size.width >= 100
    label = padded(gauge.label, 30 if wide else 18)
    text = f" {percent(used):>5}  {spent} of {limit}{'' if gauge.unit == 'usd' else f' {gauge.unit}'}"
    style = "bad" if gauge.refuses else _level(used)
    spans = [Cell(label), Cell(" "), *_meter(used, _BAR if wide else 12, gauge.spent, size, style), Cell(text)]
    if gauge.refuses:
        spans.append(Cell(f"  refuses{until_text(gauge.reset_at, now)}", "bad"))
    elif gauge.reset_at is not None and wide:
        spans.append(Cell(f"  new{until_text(gauge.reset_at, now)}", "dim"))
    return _clipped(spans, size.width)


def _meter(used: float, width: int, spent: int, size: Size, style: str = "") -> list[Cell]:
    left, right = ("[", "]") if size.plain else ("▕", "▏")
    filled = bar(used if spent > 0 or used >= 1 else 0.0, width, plain=size.plain)
    return [Cell(left, "dim"), Cell(filled, style or _level(used)), Cell(right, "dim")]


def _level(used: float) -> str:
    return "bad" if used >= 1 else "warn" if used >= 0.8 else "ok"


def _tabs(state: State, reading: Reading, size: Size) -> Row:
    spans: list[Cell] = []
    for number, kind in enumerate(state.level.place.kinds(), 1):
        chosen = kind is state.level.kind
        spans += [Cell(f" {number} {_TITLES[kind]} ", "tab" if chosen else "dim"), Cell(" ")]
    right = f"{len(reading.lines):,}"
    if state.level.kind is Kind.INSTANCES:
        right += ", * marks the costliest path"
    else:
        right += f" by {_ORDERS[state.sorted_by()]}{' reversed' if state.reverse else ''}"
    if reading.note:
        right += f" ({reading.note})"
    used = sum(cell_len(span.text) for span in spans)
    if state.throttled_only:
        right = f"throttled only, {right}"
    spans.append(Cell(padded(right, max(0, size.width - used - 1), right=True), "dim"))
    return _clipped(spans, size.width)


def _body(state: State, reading: Reading, size: Size, room: int, now: datetime) -> list[Row]:
    lines = state.lines()
    state.page = max(1, room)
    at = state.position(lines)
    level = state.level
    level.top = max(min(level.top, at, len(lines) - room), at - room + 1, 0)
    columns = columns_for(level.kind, level.place, list(reading.lines), size, now)
    rows = [_header(columns, state.sorted_by())]
    for index in range(level.top, min(level.top + room, len(lines))):
        cells = _cells(columns, lines[index])
        rows.append(Row(_chosen(cells, size.width)) if index == at else Row(cells))
    if not lines:
        rows.append(Row((Cell(_nothing(state, reading), "dim"),)))
    rows += [Row(())] * (room + 1 - len(rows))
    return rows[: room + 1]


def _nothing(state: State, reading: Reading) -> str:
    if reading.lines:
        return "  nothing matches: Esc clears the filter, t shows all"
    if state.wanted not in state.readings:
        return "  reading…"
    return "" if reading.failure else "  nothing is booked yet today"


def _chosen(cells: tuple[Cell, ...], width: int) -> tuple[Cell, ...]:
    text = "".join(cell.text for cell in cells)
    # Inverse all over: colours upon it would be hard to read. What they say stands in signs and words too.
    return (Cell(padded(text, width - 1), "cursor"),)


def _header(columns: list[Column], order: Order | None) -> Row:
    spans: list[Cell] = []
    for index, column in enumerate(columns):
        title = padded(column.title, column.width, right=column.right)
        spans += [Cell(" " if index else ""), Cell(title, "sorted" if column.order is order and order else "header")]
    return Row(tuple(spans))


def _cells(columns: list[Column], line: Line) -> tuple[Cell, ...]:
    spans: list[Cell] = []
    for index, column in enumerate(columns):
        text, style = column.cell(line)
        spans += [Cell(" " if index else ""), Cell(padded(text, column.width, right=column.right), style)]
    return tuple(spans)


def _foot(state: State, reading: Reading, size: Size) -> Row:
    if state.editing:
        return _clipped([Cell("/", "bold"), Cell(fitted(state.filter, size.width - 30)), Cell("▏", "bold")], size.width)
    if reading.failure:
        return _clipped([Cell(f" {fitted(reading.failure, size.width - 2)} ", "bad")], size.width)
    keys = [("Enter", "open"), ("Esc", "back"), ("Tab", "view"), ("/", "filter"), ("s", "sort"), ("r", "turn"),
            ("t", "throttled"), ("Space", "pause"), ("?", "help"), ("q", "quit")]  # fmt: skip
    spans: list[Cell] = []
    if state.filter:
        spans += [Cell(f"/{fitted(state.filter, 24)}", "warn"), Cell("  ")]
    left = size.width - sum(cell_len(span.text) for span in spans)
    # The last two always find room.
    while len(keys) > 2 and sum(len(key) + len(what) + 3 for key, what in keys) > left:
        del keys[-3]
    for key, what in keys:
        spans += [Cell(key, "bold"), Cell(f" {what}  ", "dim")]
    return _clipped(spans, size.width)


def _help(size: Size, room: int) -> list[Row]:
    rows = [Row(())]
    for keys, what in _HELP:
        rows.append(_clipped([Cell(padded(f"  {keys}", 26), "bold"), Cell(fitted(what, size.width - 27))], size.width))
    rows += [Row(()), *(_clipped([Cell(f"  {line}", "dim")], size.width) for line in _HELP_NOTE)]
    rows += [Row(())] * (room - len(rows))
    return rows[:room]


def _clipped(spans: list[Cell], width: int) -> Row:
    left = width
    shown: list[Cell] = []
    for text, style in spans:
        size = cell_len(text)
        if size > left:
            shown.append(Cell(fitted(text, left), style))
            break
        shown.append(Cell(text, style))
        left -= size
    return Row(tuple(shown))
