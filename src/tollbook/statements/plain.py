"""A statement for a terminal."""

from collections.abc import Iterable

from tollbook.domain.money import usd_text
from tollbook.ports.statements import Line
from tollbook.statements.figures import agents_of, corrections_of, count_text, flags_of, remarks_of, units_text
from tollbook.statements.page import KINDS, facts_of
from tollbook.statements.statement import Statement, cache_write

_HEADS = ("", "calls", "input", "cached", "written", "output", "reasoning", "USD")


def statement_text(statement: Statement) -> str:
    """Facts, lines and sums in columns."""
    rows: list[tuple[str, ...]] = [_HEADS]
    rows += _rows(statement, statement.usage)
    for block in corrections_of(statement):
        rows.append((f"{block.period}: {KINDS[block.kind]}",))
        rows += _rows(statement, [line for agent in block.agents for line in agent.lines])
    if statement.markup is not None:
        rows.append((f"markup, {statement.markup.percent} %", *[""] * 6, usd_text(statement.markup.nanos)))
    rows.append(("total", *[""] * 6, usd_text(statement.total_nanos)))
    facts = [f"{name:20} {value}" for name, value in (("Tenant", statement.tenant), *facts_of(statement))]
    said = [*([] if statement.note is None else [statement.note]), *remarks_of(statement)]
    return "\n".join([*facts, "", *_columns(rows), *([""] if said else []), *said])


def _rows(statement: Statement, lines: Iterable[Line]) -> Iterable[tuple[str, ...]]:
    for block in agents_of(lines):
        yield (block.agent,)
        for line in block.lines:
            about = ", ".join(
                [statement.label_of(line), *flags_of(line), *([units_text(line.units)] if line.units else [])]
            )
            counts = (line.calls, line.input, line.cache_read, cache_write(line), line.output, line.reasoning)
            yield (f"  {line.model} ({about})", *map(count_text, counts), usd_text(line.cost_nanos))


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    full = [row for row in rows if len(row) == len(_HEADS)]
    widths = [max(len(row[column]) for row in full) for column in range(len(_HEADS))]
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        ).rstrip()
        for row in rows
    ]
