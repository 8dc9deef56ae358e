"""Tables as wide as the terminal: names are cut where they must be, figures never."""

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from tests.unit.terminal.test_tree import run_of
from tollbook.domain.money import NANOS_PER_USD
from tollbook.terminal.answers import Sums
from tollbook.terminal.report import Group, Report
from tollbook.terminal.tables import report_csv, report_table, show_table, tree_table
from tollbook.terminal.tree import trees_of

NAMES = (
    "planner",
    "a/very/long/path/of/agents/that/nobody/would/write",
    "日本電気株式会社",
    "\x1b[31mred\u202e",
    "=1+1",
)


def console_of(width: int, *, encoding: str = "utf-8") -> Console:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    return Console(width=width, force_terminal=True, file=file, highlight=False, markup=False, emoji=False)


def drawn(console: Console, table: object) -> list[str]:
    with console.capture() as captured:
        console.print(table)
    return [Text.from_ansi(line).plain.rstrip() for line in captured.get().splitlines()]


def report() -> Report:
    groups = [
        Group(
            (name, f"model-{index}"),
            Sums(
                calls=10**index,
                cost_nanos=(12_345 * 10**index) * NANOS_PER_USD // 100,
                input=10**8,
                unpriced_nanos=10**9,
            ),
            [index, 0, 3, 9],
        )
        for index, name in enumerate(NAMES)
    ]
    total = sum((each.sums for each in groups), Sums())
    return Report(
        by=("agent", "model"),
        first_day="2026-11-01",
        last_day="2026-11-04",
        groups=groups,
        total=total,
        steps=["1", "2", "3", "4"],
    )


@pytest.mark.parametrize("width", [50, 80, 100, 160])
def test_a_report_fits_and_keeps_its_amounts(width: int) -> None:
    lines = drawn(console_of(width), report_table(report(), console_of(width)))
    assert max(map(cell_len, lines)) <= width
    text = "\n".join(lines)
    for amount in ("$123.45", "$1,234.50", "$12,345.00", "$123,450.00", "$1,234,500.00", "$1,371,652.95"):
        assert amount in text, text
    assert ("Trend" in text, "Share" in text) == (width >= 80, width >= 160) or width == 100
    assert "\x1b[31m" not in text
    assert "\\x1b[31mred" in text


@pytest.mark.parametrize("width", [60, 80, 140])
def test_a_tree_fits_and_keeps_its_amounts(width: int) -> None:
    rows = [
        ("acme", f"planner/researcher#{number}/fetcher#1", "gpt-4o", number * 10**9 + 5 * 10**8) for number in range(9)
    ]
    (tree,) = trees_of(run_of(rows))
    lines = drawn(console_of(width), tree_table(tree, console_of(width)))
    assert max(map(cell_len, lines)) <= width
    assert sum("researcher#" in line for line in lines) == 9
    for number in range(1, 9):
        assert any(f"${number}.50" in line for line in lines)
    assert any("planner ◀" in line and "$40.50" in line for line in lines), lines


def test_a_pipe_gets_names_whole_and_no_spaces_at_the_ends() -> None:
    console = Console(width=10_000, file=io.StringIO(), highlight=False, markup=False)
    with console.capture() as captured:
        show_table(report_table(report(), console), console)
    lines = captured.get().splitlines()
    assert any(NAMES[1] in line for line in lines)
    assert all(line == line.rstrip() for line in lines)


def test_a_terminal_without_utf_8_gets_ascii() -> None:
    (tree,) = trees_of(run_of([("acme", "a", "m", 5), ("acme", "a/b", "m", 9)]))
    plain = console_of(80, encoding="ascii")
    text = "\n".join([*drawn(plain, report_table(report(), plain)), *drawn(plain, tree_table(tree, plain))])
    assert text.replace("日本電気株式会社", "").isascii(), text


def test_csv_is_exact_and_starts_no_formula() -> None:
    lines = report_csv(report()).splitlines()
    assert lines[0].startswith("agent,model,calls,cost_usd,")
    assert lines[1].startswith("planner,model-0,1,123.450000000,1.000000000,")
    assert lines[5].startswith("'=1+1,model-4,")
    assert all(len(re.findall(",", line)) == len(re.findall(",", lines[0])) for line in lines)
