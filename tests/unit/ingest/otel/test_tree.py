"""Where spans stand: agents from nesting, runs from the outermost, one identity a call, sums without their parts."""

from typing import Any

import pytest

from tests.unit.ingest.otel.seen import events, known, one, span
from tollbook.domain.event import Observer
from tollbook.ingest.otel.claims import Mapping
from tollbook.ingest.otel.paths import joined, segment
from tollbook.ingest.otel.tree import Tree

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 10}
TRACE = (b"t" * 16).hex()


def agent(name: str, **more: Any) -> dict[str, Any]:
    return {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name, **more}


TOOL = {"gen_ai.operation.name": "execute_tool"}


def test_nested_agents_make_a_path_and_spawned_ones_an_instance() -> None:
    spans = [
        span(agent("planner"), number=1),
        span(TOOL, number=2, parent=1),
        span(agent("researcher"), number=3, parent=2),
        span(CHAT, number=4, parent=3),
        span(CHAT, number=5, parent=1),
    ]
    assert {event.id: event.agent for event in events(spans)} == {
        f"{TRACE}:{4:016x}": "planner/researcher#00000000",
        f"{TRACE}:{5:016x}": "planner",
    }


def test_two_spans_of_one_agent_are_one_segment_and_a_recursion_is_two() -> None:
    seen_twice = [span(agent("a"), number=1), span(agent("a"), number=2, parent=1), span(CHAT, number=3, parent=2)]
    assert [event.agent for event in events(seen_twice)] == ["a"]
    recursion = [
        span(agent("a"), number=1),
        span(TOOL, number=2, parent=1),
        span(agent("a"), number=3, parent=2),
        span(CHAT, number=4, parent=3),
    ]
    assert [event.agent for event in events(recursion)] == ["a/a#00000000"]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"gen_ai.agent.name": "planner"}, "planner"),
        ({"agent.name": "planner"}, "planner"),
        ({"langgraph_node": "research"}, "research"),
        ({"traceloop.association.properties.langgraph_node": "research"}, "research"),
        ({"graph.node.id": "child", "graph.node.parent_id": "parent"}, "parent/child"),
        ({"gen_ai.agent.name": "planner", "langgraph_node": "research"}, "planner/research"),
        ({"tollbook.agent": "boss/worker#7", "gen_ai.agent.name": "planner"}, "boss/worker#7"),
        ({}, "unknown"),
    ],
)
def test_a_call_says_its_own_agent(attributes: dict[str, str], expected: str) -> None:
    assert one({**CHAT, **attributes}).agent == expected


def test_the_service_stands_in_for_an_agent_that_nothing_names() -> None:
    assert one(CHAT, resource={"service.name": "billing-bot"}).agent == "billing-bot"
    assert one(CHAT, resource={"service.name": "unknown_service:python"}).agent == "unknown"


def test_the_mapping_is_configurable() -> None:
    mapping = Mapping(agent=("team.agent",), run=("ticket",), tags=("team",))
    attributes = {**CHAT, "team.agent": "x/y", "ticket": "T-1"}
    (event,) = events([span(attributes, resource={"team": "blue"})], mapping)
    assert (event.agent, event.run) == ("x/y", "T-1")
    assert event.tags is not None
    assert event.tags["team"] == "blue"


def test_the_run_is_what_the_outermost_names_else_the_trace() -> None:
    assert one(CHAT).run == TRACE
    spans = [
        span(agent("p", **{"gen_ai.conversation.id": "outer"}), number=1),
        span({**CHAT, "gen_ai.conversation.id": "inner"}, number=2, parent=1),
    ]
    assert [event.run for event in events(spans)] == ["outer"]


def test_a_ring_of_parents_ends() -> None:
    spans = [span(CHAT, number=1, parent=2), span(agent("a"), number=2, parent=1)]
    assert [event.agent for event in events(spans)] == ["a"]
    tree = Tree(known(each) for each in spans)
    assert len(list(tree.in_order())) == 2


def test_calls_side_by_side_stand_where_each_stands_alone() -> None:
    spans = [
        span(agent("a"), number=1),
        span(agent("b"), number=2, parent=1),
        *(span(CHAT, number=number, parent=2, resource={"service.name": f"s{number % 2}"}) for number in range(3, 7)),
        # A ring of parents, and calls that hang from it.
        span(CHAT, number=10, parent=11),
        span(CHAT, number=11, parent=10),
        *(span(CHAT, number=number, parent=10) for number in (12, 13)),
        # One call seen by two, below one seen by one.
        span(CHAT, number=20, parent=2),
        *(span(CHAT, number=number, parent=20) for number in (21, 22)),
        span(CHAT, number=30, parent=99, resource={"service.name": "s0"}),
        span(CHAT, number=31, parent=99, resource={"service.name": "s1"}),
    ]
    all_known = [known(each) for each in spans]
    for each in all_known:
        alone, together = Tree(all_known), Tree(all_known)
        for other in all_known:
            together.placed(other)
        assert together.placed(each) == alone.placed(each)
    agents = {event.id: event.agent for event in events(spans)}
    assert agents[f"{TRACE}:{30:016x}"] == "s0"
    assert agents[f"{TRACE}:{31:016x}"] == "s1"


def test_a_long_chain_is_cut_and_a_long_path_too() -> None:
    spans = [span(agent(f"agent-{number}"), number=number, parent=number - 1 or None) for number in range(1, 400)]
    (event,) = events([*spans, span(CHAT, number=400, parent=399)])
    assert len(event.agent.split("/")) <= 16
    assert len(event.agent) <= 256
    assert event.seen is not None
    assert event.seen.revision == 99


@pytest.mark.parametrize("name", ["a/b", "a#b/c", " ", "#", "\x00", "x" * 300, "\ud800", "a\nb", "né"])
def test_any_name_becomes_a_segment(name: str) -> None:
    made = segment(name)
    assert "/" not in made
    assert 0 < len(made) <= 129
    assert joined([name]) == made


def sums(name: str, tokens: int, **more: Any) -> dict[str, Any]:
    return agent(name, **{"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": tokens}, **more)


def test_nested_sums_are_counted_once_each() -> None:
    spans = [
        span(sums("a", 100), number=1, kind=1),
        span(sums("b", 60), number=2, parent=1, kind=1),
        span(sums("c", 25), number=3, parent=2, kind=1),
    ]
    assert sorted(event.input for event in events(spans)) == [25, 35, 40]
    assert {event.seen.by for event in events(spans) if event.seen} == {Observer.AGGREGATE}


def test_a_sum_that_its_parts_add_up_to_is_empty() -> None:
    whole, part = span(sums("a", 60), number=1, kind=1), span(sums("b", 60), number=2, parent=1, kind=1)
    tree = Tree([known(whole, kept=1), known(part, kept=2)])
    assert [placed.is_empty_sum for each in tree if (placed := tree.placed(each)) is not None] == [True, False]


def test_a_remote_agents_sum_counts_beside_the_calls_of_others() -> None:
    spans = [
        span(agent("boss"), number=1),
        span(CHAT, number=2, parent=1),
        span(sums("remote", 50), number=3, parent=1, kind=3),
    ]
    groups = {event.seen.by: event.seen.group for event in events(spans) if event.seen}
    assert groups == {Observer.LEAF: TRACE, Observer.AGGREGATE: f"{TRACE}:{3:016x}"}
    shown = [*spans, span(CHAT, number=4, parent=3)]
    assert {event.seen.group for event in events(shown) if event.seen} == {TRACE}


@pytest.mark.parametrize("inner_first", [True, False])
def test_two_spans_of_one_call_share_the_id_of_whoever_came_first(inner_first: bool) -> None:
    outer = span({**CHAT, "gen_ai.response.id": "resp_1"}, number=1)
    inner = span(CHAT, number=2, parent=1)
    tree = Tree([known(outer, kept=2 if inner_first else 1), known(inner, kept=1 if inner_first else 2)])
    ids = {placed.id for each in tree if (placed := tree.placed(each)) is not None}
    assert ids == ({f"{TRACE}:{2:016x}"} if inner_first else {"resp_1"})


def test_calls_with_different_ids_stay_two() -> None:
    spans = [
        span({**CHAT, "gen_ai.response.id": "resp_1"}, number=1),
        span({**CHAT, "gen_ai.response.id": "resp_2"}, number=2, parent=1),
    ]
    assert sorted(event.id or "" for event in events(spans)) == ["resp_1", "resp_2"]


def test_a_call_within_an_agent_within_a_call_is_another() -> None:
    spans = [
        span({**CHAT, "gen_ai.response.id": "resp_1"}, number=1),
        span(agent("sub"), number=2, parent=1),
        span(CHAT, number=3, parent=2),
    ]
    assert len({event.id for event in events(spans)}) == 2


def test_thousands_of_nested_sums_are_placed_in_a_moment() -> None:
    """Each is counted against its parts alone: a chain of them costs its length, not its square."""
    chain = [span(sums("a", 10_000 - n), number=n, parent=n - 1 or None, kind=1) for n in range(1, 9_001)]
    assert sum(event.input for event in events(chain)) == 10_000 - 1
