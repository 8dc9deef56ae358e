"""The tree of a tenant's agents: each with its own cost and with that of all below it."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from tollbook.domain.agent import ancestors


class Node(NamedTuple):
    """An agent by its path of roles. Amounts in nano-dollars; `inclusive` holds its own and all below it."""

    path: str
    own: int
    inclusive: int
    calls: int
    children: tuple["Node", ...]

    @property
    def role(self) -> str:
        """The last role of the path."""
        return self.path.rpartition("/")[2]

    def walk(self) -> Iterator["Node"]:
        """This node and all below it, the dearest branch first."""
        yield self
        for child in self.children:
            yield from child.walk()


class Spent(NamedTuple):
    """What an agent spent itself."""

    path: str
    own: int
    calls: int


def tree_of(spent: Iterable[Spent]) -> tuple[Node, ...]:
    """The agents without a parent, the dearest first; an ancestor that made no call itself is there with own cost 0.

    >>> [(n.path, n.own, n.inclusive) for n in tree_of([Spent("a/b", 2, 1), Spent("a", 1, 1)])[0].walk()]
    [('a', 1, 3), ('a/b', 2, 2)]
    """
    own = {one.path: one for one in spent}
    below: dict[str, set[str]] = {}
    for path in own:
        line = ["", *ancestors(path), path]
        for parent, child in pairwise(line):
            below.setdefault(parent, set()).add(child)
    return _children("", own, below)


def _children(parent: str, own: dict[str, Spent], below: dict[str, set[str]]) -> tuple[Node, ...]:
    # A path has a bounded number of segments, so this goes only so deep.
    made = [_node(path, own, below) for path in below.get(parent, ())]
    return tuple(sorted(made, key=lambda node: (-node.inclusive, node.path)))


def _node(path: str, own: dict[str, Spent], below: dict[str, set[str]]) -> Node:
    mine = own.get(path, Spent(path, 0, 0))
    children = _children(path, own, below)
    return Node(
        path,
        mine.own,
        mine.own + sum(child.inclusive for child in children),
        mine.calls + sum(child.calls for child in children),
        children,
    )
