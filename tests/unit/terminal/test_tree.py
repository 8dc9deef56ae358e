"""A run's tree adds up, whatever instances it has."""

from hypothesis import given
from hypothesis import strategies as st

from tollbook.domain.money import usd_text
from tollbook.terminal.answers import Figures, Run, RunLine, Sums
from tollbook.terminal.tree import Instance, guided, trees_of, walk

_TS = "2026-11-28T10:00:00Z"
_SEGMENTS = st.sampled_from(["planner", "researcher#1", "researcher#2", "fetcher", "a"])
_AGENTS = st.lists(_SEGMENTS, min_size=1, max_size=4).map("/".join)
_ROWS = st.lists(
    st.tuples(st.sampled_from(["acme", "globex"]), _AGENTS, st.sampled_from(["m", "n"]), st.integers(0, 10**12)),
    min_size=1,
    max_size=30,
)


def run_of(rows: list[tuple[str, str, str, int]]) -> Run:
    lines = [
        RunLine(tenant=who, agent=agent, model=model, first_ts=_TS, last_ts=_TS, calls=1, cost_usd=usd_text(nanos))
        for who, agent, model, nanos in rows
    ]
    return Run("r", _TS, _TS, Figures(), lines)


@given(_ROWS, st.booleans())
def test_a_tree_adds_up(rows: list[tuple[str, str, str, int]], by_role: bool) -> None:
    trees = trees_of(run_of(rows), by_role=by_role)
    assert sum(tree.total.cost_nanos for tree in trees) == sum(row[3] for row in rows)
    for tree in trees:
        nodes = [each for each, _, _ in walk(tree.roots)]
        assert sum((each.own for each in nodes), Sums()) == tree.total
        assert sum((root.inclusive for root in tree.roots), Sums()) == tree.total
        for node in nodes:
            assert node.inclusive == sum((child.inclusive for child in node.children), node.own)
            assert [child.inclusive.cost_nanos for child in node.children] == sorted(
                (child.inclusive.cost_nanos for child in node.children), reverse=True
            )


@given(_ROWS)
def test_the_costliest_path_goes_from_the_top_down_without_a_gap(rows: list[tuple[str, str, str, int]]) -> None:
    for tree in trees_of(run_of(rows)):
        level: list[Instance] = tree.roots
        marked = [each.agent for each, _, _ in walk(tree.roots) if each.costliest]
        for agent in marked:
            dearest = max(level, key=lambda node: node.inclusive.cost_nanos)
            chosen = next(node for node in level if node.agent == agent)
            assert chosen.inclusive.cost_nanos == dearest.inclusive.cost_nanos
            level = chosen.children
        assert bool(marked) == (tree.total.cost_nanos > 0)


def test_branches_lead_to_their_children() -> None:
    rows = [("acme", "p", "m", 1), ("acme", "p/a#1", "m", 9), ("acme", "p/a#1/x", "m", 3), ("acme", "p/b", "m", 2)]
    (tree,) = trees_of(run_of(rows))
    assert [f"{guide}{each.agent.rpartition('/')[2]}" for guide, each in guided(tree.roots)] == [
        "p",
        "├─ a#1",
        "│  └─ x",
        "└─ b",
    ]
    assert [guide for guide, _ in guided(tree.roots, 1)] == [""]
    assert [guide for guide, _ in guided(tree.roots, plain=True)] == ["", "|- ", "|  `- ", "`- "]
    assert [each.agent for each, _, _ in walk(tree.roots) if each.costliest] == ["p", "p/a#1"]
