"""Stored text made safe for a terminal: nothing that a sender wrote can move the cursor, hide or reorder what is there.

Names are chosen by whoever sends events. Control characters, escape sequences, marks of direction and invisible
characters are shown by their number; letters of every script stay.
"""

import unicodedata

import msgspec
from rich.cells import cell_len, set_cell_size

_SPACES = "Zs"
_MARKS_MAX = 3
"""More marks upon one letter than any language writes only serve to cover the lines above."""
_ELLIPSIS = "…"


def safe(text: str) -> str:
    r"""The text with everything that is not plainly visible shown by its number.

    >>> safe("a\x1b[2Jb\u202ec")
    'a\\x1b[2Jb\\u202ec'
    """
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        if category in {"Mn", "Me"}:
            marks += 1
            if marks > _MARKS_MAX:
                continue
        else:
            marks = 0
        shown.append(character if character.isprintable() or category == _SPACES else _number(character))
    return "".join(shown)


def fitted(text: str, width: int) -> str:
    """Safe text cut to a width in columns, with an ellipsis where something is missing.

    >>> fitted("researcher", 6)
    'resea…'
    """
    shown = safe(text)
    if cell_len(shown) <= width:
        return shown
    return set_cell_size(shown, width - 1).rstrip() + _ELLIPSIS if width > 0 else ""


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Safe text of exactly a width in columns, cut or filled up with spaces, which go before it with `right`."""
    shown = fitted(text, width)
    space = " " * (width - cell_len(shown))
    return space + shown if right else shown + space


def ascii_text(text: str) -> str:
    """The text for a terminal that shows ASCII alone, as wide as it was: what it cannot show is a question mark.

    >>> ascii_text("日本/a…")
    '????/a?'
    """
    return text if text.isascii() else "".join(each if each.isascii() else "?" * cell_len(each) for each in text)


def json_text(document: object) -> str:
    """One line of JSON in which no character can act on a terminal: those are escaped, which JSON reads as the same."""
    encoded = msgspec.json.encode(document).decode()
    if encoded.isascii():
        return encoded.replace("\x7f", "\\u007f")
    return "".join(
        each if each.isprintable() or unicodedata.category(each) == _SPACES else _escape(each) for each in encoded
    )


def _number(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escape(character: str) -> str:
    pairs = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{pairs[at]:02x}{pairs[at + 1]:02x}" for at in range(0, len(pairs), 2))
