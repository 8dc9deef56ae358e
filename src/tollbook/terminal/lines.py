"""One entry as one line of `tollbook tail`."""

from rich.text import Text

from tollbook.domain.money import nanos_from_usd
from tollbook.terminal.answers import Entry
from tollbook.terminal.figures import count, moment, percent, share, usd
from tollbook.terminal.names import padded, safe

_WIDE = 110
_TIME = 8
_COST = 10
_COUNT = 6


def header_line(width: int) -> str:
    """What the columns of a terminal so wide are."""
    names = _names(width)
    titles = [padded(title, size) for title, size in zip(("tenant", "agent", "model"), names, strict=True)]
    figures = [padded(title, _COUNT, right=True) for title in _titles(width)]
    return " ".join([padded("time Z", _TIME), *titles, *figures, padded("cost", _COST, right=True)])


def entry_line(entry: Entry, width: int | None) -> Text:
    """An entry in a terminal so wide, or whole and separated by two spaces where there is none."""
    nanos = nanos_from_usd(entry.cost_usd)
    marks = [*entry.flags, *(["estimated"] if entry.estimated else [])]
    if entry.corrects is not None:
        marks.insert(0, "taken back" if entry.calls < 0 else "corrected")
    note = ", ".join(map(safe, marks))
    counts = [count(entry.input), count(entry.output), percent(share(entry.cache_read, entry.input))]
    if width is None:
        parts = [entry.ts, entry.tenant, entry.agent, entry.model, *counts[:2], f"${entry.cost_usd}", note]
        return Text("  ".join(map(safe, parts)).rstrip())
    names = _names(width)
    line = Text(f"{moment(entry.ts):%H:%M:%S}", "dim")
    for name, size in zip((entry.tenant, entry.agent, entry.model), names, strict=True):
        line.append(" ").append(padded(name, size))
    for figure in counts[: len(_titles(width))]:
        line.append(" ").append(padded(figure, _COUNT, right=True))
    line.append(" ").append(padded(usd(nanos, 6), _COST, right=True), "bold")
    if note:
        line.append(f"  {note}", "yellow")
    return line


def _titles(width: int) -> tuple[str, ...]:
    return ("in", "out", "cached") if width >= _WIDE else ("in", "out")


def _names(width: int) -> tuple[int, int, int]:
    """The widths of tenant, agent and model: what the figures leave."""
    room = max(width, 60) - _TIME - _COST - (_COUNT + 1) * len(_titles(width)) - 4 - (24 if width >= _WIDE else 1)
    tenant, model = room // 4, room * 3 // 8
    return tenant, room - tenant - model, model
