"""A statement as a PDF, set by typst from the same figures as the HTML page."""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from importlib import import_module, resources
from types import ModuleType
from typing import Any

import msgspec

from tollbook.domain.errors import ConfigError
from tollbook.ports.statements import Line
from tollbook.statements.figures import (
    AgentBlock,
    agents_of,
    amount_of,
    corrections_of,
    count_text,
    flags_of,
    rate_lines,
    remarks_of,
    rounded_text,
    scope_text,
    units_text,
)
from tollbook.statements.page import KINDS, facts_of
from tollbook.statements.statement import Statement, Sums, cache_write

_LONG = re.compile(r"\S{25,}")
_PIECE_CHARS = 12
_BREAK = "\N{ZERO WIDTH SPACE}"


class Paper(StrEnum):
    """The sheet a statement is set for."""

    A4 = "a4"
    LETTER = "letter"


def statement_pdf(statement: Statement, paper: Paper = Paper.A4) -> bytes:
    """The statement as a tagged PDF; the same statement is the same bytes.

    Raises `ConfigError` where the extra `pdf` is not installed. It takes a CPU: call it in a thread.
    """
    engine = pdf_engine()
    template = (resources.files("tollbook.statements") / "statement.typ").read_bytes()
    content = msgspec.json.encode(_content(statement, paper)).decode()
    made: bytes = engine.compile(template, format="pdf", sys_inputs={"statement": content})
    return made


def pdf_engine() -> ModuleType:
    """What sets PDFs; raises `ConfigError` where the extra `pdf` is not installed."""
    try:
        return import_module("typst")
    except ModuleNotFoundError as missing:
        raise ConfigError("statements as PDF need an extra: pip install 'tollbook[pdf]'") from missing


def _content(statement: Statement, paper: Paper) -> dict[str, Any]:
    parts = [("Usage", amount_of(statement.usage_sums.cost_nanos))]
    if statement.corrections:
        parts.append(("Corrections of closed periods", amount_of(statement.correction_sums.cost_nanos)))
    if statement.markup is not None:
        parts.append((f"Markup, {statement.markup.percent} %", amount_of(statement.markup.nanos)))
    return {
        "paper": "a4" if paper is Paper.A4 else "us-letter",
        "title": f"Statement {statement.period.text} · {_loose(statement.tenant)}",
        "kind": f"Statement {statement.period.text}",
        "tenant": _loose(statement.tenant),
        "open": statement.close is None,
        "rounded": rounded_text(statement.total_nanos),
        "total": amount_of(statement.total_nanos),
        "facts": [(name, _loose(value)) for name, value in facts_of(statement)],
        "usage": _table(statement, agents_of(statement.usage), statement.usage_sums) if statement.usage else None,
        "corrections": [
            {"title": f"{block.period}: {KINDS[block.kind]}"} | _table(statement, block.agents, block.sums)
            for block in corrections_of(statement)
        ],
        "parts": parts,
        "note": None if statement.note is None else _loose(statement.note),
        "remarks": remarks_of(statement),
        "rates": [
            {
                "label": card.label,
                "model": _loose(f"{card.provider} {card.model}" if card.model else f"card {card.price_id}"),
                "scope": _loose(scope_text(card)),
                "prices": ", ".join(rate_lines(card)) or "kept without its prices",
            }
            for card in statement.rates
        ],
        "digest": statement.digest,
    }


def _table(statement: Statement, agents: Iterable[AgentBlock], sums: Sums) -> dict[str, Any]:
    return {"agents": [_agent(statement, block) for block in agents], **_figures(sums)}


def _agent(statement: Statement, block: AgentBlock) -> dict[str, Any]:
    lines = [_line(statement, line) for line in block.lines]
    return {"agent": _loose(block.agent), "lines": lines, **_figures(block.sums)}


def _line(statement: Statement, line: Line) -> dict[str, Any]:
    counts = (line.calls, line.input, line.cache_read, cache_write(line), line.output, line.reasoning)
    return {
        "model": _loose(line.model),
        "by": _loose(f"{line.provider or ''} {statement.label_of(line)}".strip()),
        "flags": flags_of(line),
        "units": units_text(line.units),
        "cells": _cells(counts),
        "sum": amount_of(line.cost_nanos),
    }


def _figures(sums: Sums) -> dict[str, Any]:
    counts = (sums.calls, sums.input, sums.cache_read, sums.cache_write, sums.output, sums.reasoning)
    return {"cells": _cells(counts), "sum": amount_of(sums.cost_nanos)}


def _cells(counts: Sequence[int]) -> list[str]:
    return [count_text(count) for count in counts]


def _loose(text: str) -> str:
    """The text with places to break long words at: a name of 300 letters would run over the numbers beside it."""
    return _LONG.sub(lambda word: _BREAK.join(_pieces(word[0])), text)


def _pieces(word: str) -> Iterable[str]:
    return (word[start : start + _PIECE_CHARS] for start in range(0, len(word), _PIECE_CHARS))
