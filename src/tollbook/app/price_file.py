"""Changes of prices.toml: an entry is put at its end, judged, and only then written, whole or not at all."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec

from tollbook.app.prices import Candidate, candidate_of, read_text
from tollbook.domain.errors import ConfigError
from tollbook.pricing.diff import Move, moves
from tollbook.pricing.quote import Ceiling


class Change(NamedTuple):
    """A file's next text, the book it makes, and what moves by it, of which `too_far` by more than the factor."""

    text: str
    after: Candidate
    moved: list[Move]
    too_far: list[Move]


def entry_text(kind: str, fields: Mapping[str, object], tables: Mapping[str, Mapping[str, str]]) -> str:
    """One entry of a prices.toml; fields that are None are left out.

    >>> print(entry_text("price", {"model": "m", "until": None}, {"usd": {"input_tokens": "1"}}), end="")
    <BLANKLINE>
    [[price]]
    model = "m"
    usd = { input_tokens = "1" }
    """
    lines = [f"{name} = {_value(value)}" for name, value in fields.items() if value is not None]
    for name, table in tables.items():
        if table:
            lines.append(f"{name} = {{ {', '.join(f'{key} = {_value(value)}' for key, value in table.items())} }}")
    return "\n".join(["", f"[[{kind}]]", *lines, ""])


def changed(path: Path, entry: str, ceiling: Ceiling, *, factor_max: Decimal, at: datetime) -> Change:
    """What the file would be with one entry more. Raises `ConfigError` where it would be wrong."""
    before = read_text(path) if path.exists() else ""
    text = f"{before.rstrip()}\n{entry}".lstrip() if before.strip() else entry.lstrip()
    base, after = candidate_of(before, ceiling), candidate_of(text, ceiling)
    moved = moves(base.book, after.book, at)
    return Change(text, after, moved, [move for move in moved if move.exceeds(factor_max)])


def write(path: Path, text: str) -> None:
    """Put a text in place of a file's: a reader sees the one before or this one, and a power cut neither half."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            draft.chmod(path.stat().st_mode & 0o777)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ConfigError(f"{path} cannot be written: {error}") from error


def _value(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(_value(one) for one in value)}]"
    # A JSON string is a TOML string.
    return msgspec.json.encode(str(value)).decode()
