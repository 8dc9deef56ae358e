"""The tree of agents, and how it is drawn."""

from hypothesis import given
from hypothesis import strategies as st

from tollbook.views.tree import Spent, tree_of
from tollbook.web.icicle import icicle

ROLES = st.sampled_from(["a", "b", "c", "d"])
PATHS = st.lists(ROLES, min_size=1, max_size=6).map("/".join)


@given(st.dictionaries(PATHS, st.integers(-5, 10**15), max_size=40))
def test_every_amount_is_once_in_the_tree_and_in_every_ancestor(own: dict[str, int]) -> None:
    tree = tree_of(Spent(path, nanos, 1) for path, nanos in own.items())
    nodes = {node.path: node for root in tree for node in root.walk()}
    assert sum(root.inclusive for root in tree) == sum(own.values())
    assert sum(root.calls for root in tree) == len(own)
    for path, node in nodes.items():
        assert node.own == own.get(path, 0)
        assert node.inclusive == sum(nanos for p, nanos in own.items() if p == path or p.startswith(f"{path}/"))


@given(st.dictionaries(PATHS, st.integers(0, 10**15), max_size=60))
def test_a_drawing_stays_within_its_width(own: dict[str, int]) -> None:
    drawn = icicle(tree_of(Spent(path, nanos, 1) for path, nanos in own.items()))
    rows: dict[int, float] = {}
    for piece in drawn.pieces:
        left, width = float(piece.x.rstrip("%")), float(piece.width.rstrip("%"))
        assert 0 <= left <= 100
        assert left + width <= 100.001
        rows[piece.row] = rows.get(piece.row, 0) + width
        assert piece.row < drawn.rows <= 6
    assert all(total <= 100.01 for total in rows.values())
    if sum(own.values()):
        assert rows[0] > 99.9


def test_nothing_spent_draws_nothing() -> None:
    assert icicle(tree_of([])) == ([], 0)
    assert icicle(tree_of([Spent("a", 0, 3)])).pieces == []
