"""Finds the pages of the documentation, and the links and command lines in them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]

_LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_SHELL = {"sh", "bash", "console"}


class Found(NamedTuple):
    """A piece of a page: `text` as written, `page` relative to the project."""

    page: str
    text: str


def pages() -> list[Path]:
    """Every page for people: the top level, `docs`, and the rooms' own."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/tollbook/**/*.md")])


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def links() -> Iterator[Found]:
    """Every link that leads into the project."""
    for page in pages():
        for target in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
            if not re.match(r"[a-z]+:", target):
                yield Found(_name(page), target)


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings make, as the usual renderers name them."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in _HEADING.findall(text)}


def shell_lines() -> Iterator[Found]:
    """Every line of the shell examples, with a line that ends in a backslash joined to the next."""
    for page in pages():
        for language, block in _FENCE.findall(page.read_text(encoding="utf-8")):
            if language in _SHELL:
                for line in block.replace("\\\n", " ").splitlines():
                    yield Found(_name(page), line)


def spans() -> Iterator[Found]:
    """Every piece of code within a sentence."""
    for page in pages():
        for span in _SPAN.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
            yield Found(_name(page), span)
