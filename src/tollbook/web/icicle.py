"""The tree of agents as an icicle: each row a depth, each width a share of the whole."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tollbook.views.tree import Node

_DEPTH_MAX = 6
_COLOURS = 8
_LEAST_PERMILLE = 6
"""Narrower than this a piece is drawn with its like as one: nobody could tell them apart."""


class Piece(NamedTuple):
    """A rectangle: where and how wide in per cent, in which row, in which colour (0: several agents as one).

    `room` says where its text can be read: `wide` everywhere, `middle` on a wide screen, `thin` nowhere.
    """

    x: str
    width: str
    row: int
    text: str
    path: str
    own: int
    inclusive: int
    colour: int
    room: str


class Icicle(NamedTuple):
    """Pieces, and how many rows they take."""

    pieces: list[Piece]
    rows: int


def icicle(tree: Sequence[Node]) -> Icicle:
    """The tree, drawn as far as it can be read."""
    whole = sum(max(node.inclusive, 0) for node in tree)
    # Below a single agent without a parent, its children are what is told apart.
    alone = _COLOURS if len(tree) == 1 else 0
    pieces = list(_laid(tree, 0, 0, whole, alone)) if whole > 0 else []
    return Icicle(pieces, max((piece.row for piece in pieces), default=-1) + 1)


def _laid(nodes: Sequence[Node], left: int, row: int, whole: int, colour: int = 0) -> Iterator[Piece]:
    """Siblings beside each other from `left` on, each with its own below it; colours are those of the first row."""
    wide = [node for node in nodes if node.inclusive * 1000 >= whole * _LEAST_PERMILLE]
    for number, node in enumerate(wide):
        mine = colour or number % _COLOURS + 1
        x, width = _percent(left, whole), _percent(node.inclusive, whole)
        yield Piece(x, width, row, node.role, node.path, node.own, node.inclusive, mine, _room(node.inclusive, whole))
        if row + 1 < _DEPTH_MAX:
            yield from _laid(node.children, left, row + 1, whole, 0 if row == 0 and mine == _COLOURS else mine)
        left += node.inclusive
    small = [node for node in nodes if 0 < node.inclusive * 1000 < whole * _LEAST_PERMILLE]
    if small:
        rest = sum(node.inclusive for node in small)
        text = small[0].role if len(small) == 1 else f"{len(small)} more"
        path = small[0].path if len(small) == 1 else text
        x, width = _percent(left, whole), _percent(rest, whole)
        yield Piece(x, width, row, text, path, sum(node.own for node in small), rest, 0, _room(rest, whole))


def _room(part: int, whole: int) -> str:
    permille = part * 1000 // whole
    return "wide" if permille >= 250 else "middle" if permille >= 70 else "thin"


def _percent(part: int, whole: int) -> str:
    millionths = part * 1_000_000 // whole
    return f"{millionths // 10_000}.{millionths % 10_000:04d}%"
