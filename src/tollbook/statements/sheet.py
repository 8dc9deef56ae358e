"""A statement as CSV, safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterable

from tollbook.domain.money import usd_text
from tollbook.ports.statements import Line
from tollbook.statements.statement import Statement
from tollbook.statements.wire import kind_of

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet compute a cell; a quote before it makes it text (OWASP, CSV injection)."""

HEADER = (
    *("section", "tenant", "statement", "period", "agent", "model", "provider", "rate", "price_id", "entries", "calls"),
    *("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning", "units"),
    *("cost_usd", "unpriced_usd", "estimated_usd"),
)


class Usd(int):
    """Nano-dollars that are written as dollars: a number of ours, whose sign is no formula."""

    def __str__(self) -> str:
        return usd_text(int(self))


def safe_cell(text: str) -> str:
    """Text as a spreadsheet shows it and does not compute it.

    >>> safe_cell("=1+1"), safe_cell("acme")
    ("'=1+1", 'acme')
    """
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV (RFC 4180): every text is made safe, numbers are written as they are."""
    out = io.StringIO()
    writer = csv.writer(out)
    for row in rows:
        writer.writerow([safe_cell(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()


def statement_csv(statement: Statement) -> str:
    """One row a line, then the markup and the total; the total row's dollars are the sum of all rows above it."""
    rows: list[list[object]] = [[*HEADER]]
    rows += [_line(statement, line) for line in (*statement.usage, *statement.corrections)]
    sums = statement.sums
    if statement.markup is not None:
        rows.append(_tail(statement, "markup", f"{statement.markup.percent} %", [Usd(statement.markup.nanos), "", ""]))
    whole: list[object] = [Usd(statement.total_nanos), Usd(sums.unpriced_nanos), Usd(sums.estimated_nanos)]
    rows.append(_tail(statement, "total", "", whole))
    if statement.note is not None:
        rows.append(_tail(statement, "note", statement.note, ["", "", ""]))
    return csv_text(rows)


def _tail(statement: Statement, section: str, text: str, money: list[object]) -> list[object]:
    """A row behind the lines; what it says stands in the column of agents."""
    head = [section, statement.tenant, statement.period.text, "", text]
    return [*head, *[""] * (len(HEADER) - len(head) - len(money)), *money]


def _line(statement: Statement, line: Line) -> list[object]:
    units = " ".join(f"{unit}={count}" for unit, count in line.units.items())
    return [
        *(kind_of(line, statement), statement.tenant, statement.period.text, line.period, line.agent, line.model),
        *(line.provider or "", statement.label_of(line), "" if line.price_id is None else str(line.price_id)),
        *(line.entries, line.calls, line.input, line.cache_read, line.cache_write_5m, line.cache_write_1h),
        *(line.output, line.reasoning, units),
        *(Usd(line.cost_nanos), Usd(line.unpriced_nanos), Usd(line.estimated_nanos)),
    ]
