"""What a command prints: lines for people in which stored names can do no harm, or one JSON document for programs."""

from collections.abc import Iterable
from typing import Annotated

import msgspec
import typer

from tollbook.terminal.names import json_text, safe

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


def say(line: str = "") -> None:
    """Print lines for people; what came from elsewhere cannot act on the terminal."""
    print("\n".join(map(safe, line.split("\n"))))


def answer(as_json: bool, document: object, lines: str | Iterable[str]) -> None:
    """Print what a command answers: with `as_json` the document as one line of JSON, else the lines."""
    if as_json:
        print(json_text(document))
        return
    for line in [lines] if isinstance(lines, str) else lines:
        say(line)


def rows(found: Iterable[object]) -> dict[str, list[object]]:
    """The document of a list, as every list of the API is written."""
    return {"rows": [_plain(each) for each in found]}


def _plain(each: object) -> object:
    return msgspec.to_builtins(each) if isinstance(each, msgspec.Struct) else each
