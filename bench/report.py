"""What a benchmark hands back, as JSON for machines and as one table for people."""

from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import msgspec

from bench.machine import Machine

RESULTS = Path(__file__).with_name("results")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how large. `keep` is a directory for filled ledgers, so that a second run need not fill again."""

    runs: int = 5
    quick: bool = False
    minutes: float = 10.0
    entries: int = 10_000_000
    tenants: int = 100_000
    keep: Path | None = None


class Figure(msgspec.Struct, kw_only=True):
    """One measured quantity: a value a run, or a value a case."""

    name: str
    unit: str
    values: list[float]

    @property
    def median(self) -> float:
        """The middle value."""
        return median(self.values)

    def cells(self) -> list[str]:
        """Median, min and max as text."""
        return [shown(value) for value in (self.median, min(self.values), max(self.values))]


class Ratio(msgspec.Struct, kw_only=True):
    """A quotient, taken run by run, and the bound its median is held to; without a bound it is only told."""

    name: str
    values: list[float]
    target: float | None = None
    at_least: bool = True

    @property
    def met(self) -> bool | None:
        """Whether the median keeps the bound; None where there is none."""
        if self.target is None:
            return None
        middle = median(self.values)
        return middle >= self.target if self.at_least else middle <= self.target

    def verdict(self) -> list[str]:
        """The target and whether it is met, as text."""
        if self.target is None:
            return ["", ""]
        return [f"{'>=' if self.at_least else '<='} {shown(self.target)}", "yes" if self.met else "**no**"]


class Result(msgspec.Struct, kw_only=True):
    """One benchmark's outcome."""

    name: str
    title: str
    what: str
    figures: list[Figure]
    ratios: list[Ratio]
    notes: list[str] = []


class Kept(msgspec.Struct, kw_only=True):
    """A result as it is filed: with the machine and the day."""

    taken_at: datetime
    quick: bool
    machine: Machine
    result: Result


def ratio_of(name: str, over: list[float], under: list[float], *, target: float, at_least: bool = True) -> Ratio:
    """Run i of one series over run i of the other: what stood beside each other is divided by each other."""
    quotients = [a / b for a, b in zip(over, under, strict=True)]
    return Ratio(name=name, values=quotients, target=target, at_least=at_least)


def shown(value: float) -> str:
    """A number with three or four digits that mean something.

    >>> [shown(value) for value in (317000.4, 47.61, 0.0419)]
    ['317,000', '47.6', '0.0419']
    """
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 10 or value == 0:
        return f"{value:.1f}".removesuffix(".0")
    return f"{value:.3g}"


def keep(result: Result, machine: Machine, folder: Path, *, quick: bool) -> None:
    """File a result and write the table of everything filed in the folder anew, `tried.md` behind it."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = Kept(taken_at=datetime.now(UTC).replace(microsecond=0), quick=quick, machine=machine, result=result)
    (folder / f"{result.name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(kept)) + b"\n")
    files = sorted(folder.glob("*.json"))
    told = folder / "tried.md"
    tried = told.read_text() if told.exists() else ""
    (folder / "README.md").write_text(
        page([msgspec.json.decode(file.read_bytes(), type=Kept) for file in files]) + tried
    )


def page(kept: list[Kept]) -> str:
    """Every result as one Markdown page."""
    lines = ["# Results", "", "Written by `python -m bench`; `bench/README.md` says how each is measured.", ""]
    lines += _table(["result", "median", "min", "max", "target", "met"], _ratio_rows(kept))
    for machine in _machines(kept):
        lines += ["", "## Machine", "", *_table(["", ""], machine.rows())]
    for one in kept:
        result = one.result
        lines += ["", f"## {result.name}: {result.title}", "", result.what, ""]
        lines += [f"{one.taken_at:%Y-%m-%d}{', a quick run: it proves nothing' if one.quick else ''}.", ""]
        rows = [[figure.name, figure.unit, *figure.cells(), str(len(figure.values))] for figure in result.figures]
        lines += _table(["figure", "unit", "median", "min", "max", "values"], rows)
        lines += ["", *(f"- {note}" for note in result.notes)] if result.notes else []
    return "\n".join(lines) + "\n"


def _ratio_rows(kept: list[Kept]) -> list[list[str]]:
    rows = []
    for one in kept:
        for ratio in one.result.ratios:
            cells = [shown(value) for value in (median(ratio.values), min(ratio.values), max(ratio.values))]
            rows.append([f"{one.result.name}: {ratio.name}", *cells, *ratio.verdict()])
    return rows


def _machines(kept: list[Kept]) -> list[Machine]:
    found: list[Machine] = []
    for one in kept:
        if all(one.machine.same(machine) is False for machine in found):
            found.append(one.machine)
    return found


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
