"""Reports and run trees as tables: as wide as the terminal, whole where nobody looks at a terminal."""

import csv
import io
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tollbook.terminal.answers import Sums
from tollbook.terminal.figures import bar, condensed, count, percent, places_for, share, sparkline, usd
from tollbook.terminal.names import fitted, safe
from tollbook.terminal.report import TIMES, Group, Report
from tollbook.terminal.tree import Instance, Tree, guided

Each = TypeVar("Each")

_COURSE_MAX = 31
_BAR = 10
_NAME_MIN = 10
_NAME = 24
"""What a name may take before columns give way to it."""
_WHOLE = 10_000
"""Columns of what is no terminal: nothing is cut there."""
_RISKY = ("=", "+", "-", "@")
_FIGURES = ("calls", "cost_usd", "unpriced_usd", "input", "output", "cache_read", "cache_write", "reasoning")


class Column(NamedTuple, Generic[Each]):
    """A column of figures: how its cell is made, and how soon it gives way to others on a narrow screen (0: never)."""

    title: str
    cell: Callable[[Each], str | Text]
    gives_way: int = 0
    left: bool = False


def console_for(*, wide: bool = False) -> Console:
    """Standard output; where it is no terminal, or with `wide`, of any width."""
    console = Console(highlight=False, soft_wrap=False, emoji=False, markup=False)
    return console if console.is_terminal and not wide else Console(
        highlight=False, emoji=False, markup=False, width=_WHOLE
    )  # fmt: skip


def is_plain(console: Console) -> bool:
    """Whether only ASCII can be shown."""
    return not console.encoding.lower().startswith("utf")


def show_table(table: Table, console: Console) -> None:
    """Print a table; where nobody looks at a terminal, without the spaces that fill up its lines."""
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        console.print(line.rstrip(), soft_wrap=True)


def report_table(report: Report, console: Console) -> Table:
    """Groups, and their total as the last line; columns that find no room are left out, the least needed first."""
    plain = is_plain(console)
    places = places_for(each.sums.cost_nanos for each in report.groups)
    columns: list[Column[Group]] = [
        Column("Calls", lambda each: f"{each.sums.calls:,}", 1),
        Column("Input", lambda each: count(each.sums.input), 3),
        Column("Output", lambda each: count(each.sums.output), 4),
        Column("Cached", lambda each: percent(share(each.sums.cache_read, each.sums.input)), 5),
        Column("Cost", lambda each: usd(each.sums.cost_nanos, places)),
        Column("Share", lambda each: percent(share(each.sums.cost_nanos, report.total.cost_nanos)), 6),
    ]
    if report.total.unpriced_nanos:
        columns.insert(5, Column("Unpriced", lambda each: _unpriced(each.sums, places), 2))
    if set(report.by) <= TIMES:
        top = max((each.sums.cost_nanos for each in report.groups), default=0)
        columns.append(Column("", lambda each: _bar(share(each.sums.cost_nanos, top), plain=plain), 7, left=True))
    if report.steps:
        columns.append(Column("Trend", lambda each: _course(each, plain=plain), 3, left=True))
    names = max(len(report.by), 1)
    return _fitting(console, columns, names, lambda shown, width: _report_table(report, shown, width, plain=plain))


def report_csv(report: Report) -> str:
    """The groups as CSV, exact, with the names and figures of the API.

    A name that a spreadsheet would take for a formula begins with an apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*report.by, *_FIGURES])
    for each in report.groups:
        shown = each.sums.shown()
        writer.writerow([*map(_cell, each.values), *(shown[name] for name in _FIGURES)])
    return text.getvalue()


def tree_table(tree: Tree, console: Console, *, depth: int | None = None) -> Table:
    """Instances from the top down, the costliest path marked; what lies deeper than `depth` is counted above it."""
    plain = is_plain(console)
    lines = guided(tree.roots, depth, plain=plain)
    places = places_for(each.inclusive.cost_nanos for _, each in lines)
    whole = tree.total.cost_nanos
    columns: list[Column[Instance]] = [
        Column("Inclusive", lambda each: usd(each.inclusive.cost_nanos, places)),
        Column("Own", lambda each: usd(each.own.cost_nanos, places) if each.own.calls else ""),
        Column("Calls", lambda each: f"{each.inclusive.calls:,}", 2),
        Column("Input", lambda each: count(each.inclusive.input), 3),
        Column("Output", lambda each: count(each.inclusive.output), 4),
        Column("Cached", lambda each: percent(share(each.inclusive.cache_read, each.inclusive.input)), 1),
        Column("", lambda each: _bar(share(each.inclusive.cost_nanos, whole), plain=plain), 5, left=True),
        Column("Models", _models, 6, left=True),
    ]
    names = [_tree_name(guide, each, plain=plain) for guide, each in lines]
    total = Instance(agent="", own=Sums(), inclusive=tree.total)

    def built(shown: Sequence[Column[Instance]], width: int | None) -> Table:
        table = _frame(shown, ["Agent"], width, plain=plain)
        for name, (_, each) in zip(names, lines, strict=True):
            table.add_row(name, *(column.cell(each) for column in shown), style="bold" if each.costliest else "")
        _foot(table, [column.cell(total) for column in shown], 1)
        return table

    return _fitting(console, columns, 1, built)


def _tree_name(guide: str, each: Instance, *, plain: bool) -> Text:
    name = Text().append(guide, "dim")
    name.append(safe(each.agent.rpartition("/")[2]))
    if each.costliest:
        name.append(" <" if plain else " ◀", "bold red")
    return name


def _report_table(report: Report, columns: Sequence[Column[Group]], width: int | None, *, plain: bool) -> Table:
    table = _frame(columns, [name.capitalize() for name in report.by] or [""], width, plain=plain)
    for each in report.groups:
        names = [Text(_time(name, value)) for name, value in zip(report.by, each.values, strict=True)]
        table.add_row(*(names or [Text("all")]), *(column.cell(each) for column in columns))
    if report.others:
        blank = [""] * (max(len(report.by), 1) - 1)
        rest = Group((), report.rest, [])
        table.add_row(Text(f"{report.others:,} more", "dim"), *blank, *(column.cell(rest) for column in columns))
    if report.by:
        _foot(table, [column.cell(Group((), report.total, [])) for column in columns], len(report.by))
    return table


def _fitting(
    console: Console,
    columns: list[Column[Each]],
    names: int,
    built: Callable[[Sequence[Column[Each]], int | None], Table],
) -> Table:
    """The table with as many columns as there is room for, its names cut only to what is then left."""
    if console.width >= _WHOLE:
        return built(columns, None)
    # A console never measures more than itself; what is asked here is how wide a table would like to be.
    ruler = Console(width=_WHOLE)
    shown = list(columns)
    while ruler.measure(built(shown, _NAME)).maximum > console.width:
        losing = max(shown, key=lambda column: column.gives_way)
        if not losing.gives_way:
            break
        shown.remove(losing)
    left = console.width - ruler.measure(built(shown, _NAME)).maximum
    return built(shown, max(_NAME + left // names, _NAME_MIN))


def _frame(columns: Sequence[Column[Each]], names: Sequence[str], width: int | None, *, plain: bool) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        header_style="dim",
        footer_style="bold",
        padding=(0, 1, 0, 0),
    )
    for name in names:
        table.add_column(name, no_wrap=True, overflow="crop" if plain else "ellipsis", max_width=width)
    for column in columns:
        table.add_column(column.title, justify="left" if column.left else "right", no_wrap=True)
    return table


def _foot(table: Table, cells: Sequence[str | Text], names: int) -> None:
    table.show_footer = True
    table.columns[0].footer = Text("total")
    for index, cell in enumerate(cells):
        table.columns[names + index].footer = cell


def _course(each: Group, *, plain: bool) -> Text:
    return Text(sparkline(condensed(each.course, _COURSE_MAX), plain=plain), "cyan")


def _bar(portion: float | None, *, plain: bool) -> Text:
    return Text(bar(portion or 0.0, _BAR, plain=plain), "cyan")


def _models(each: Instance) -> Text:
    """The dearest model, and how many more there are."""
    names = sorted(each.models, key=lambda name: (-each.models[name], name))
    more = f" +{len(names) - 1}" if len(names) > 1 else ""
    return Text(f"{fitted(names[0], _NAME)}{more}" if names else "")


def _time(name: str, value: str) -> str:
    return value[:16].replace("T", " ") + "Z" if name == "hour" else safe(value)


def _unpriced(sums: Sums, places: int) -> Text:
    return Text(usd(sums.unpriced_nanos, places) if sums.unpriced_nanos else "", "yellow")


def _cell(value: str) -> str:
    return f"'{value}" if value.startswith(_RISKY) else value
