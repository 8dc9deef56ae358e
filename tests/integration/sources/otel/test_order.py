"""Spans that arrive in any order, in any requests, come to the same agents, runs and sums."""

import asyncio
from collections.abc import Iterable
from itertools import count
from random import Random

import msgspec
import pytest

from tests.unit.ingest.otel.seen import span, spans
from tests.unit.ingest.otel.test_tree import CHAT, TOOL, agent, sums
from tests.world import World
from tollbook.domain.event import Event, Observer, Seen
from tollbook.ingest.otel.signals import Span

TENANTS = count()
ORDERS = 40

DEEP = [
    span(agent("planner", **{"gen_ai.conversation.id": "talk"}), number=1),
    span(TOOL, number=2, parent=1),
    span(agent("researcher"), number=3, parent=2),
    span({**CHAT, "gen_ai.response.id": "resp_1"}, number=4, parent=3),
    span(TOOL, number=5, parent=3),
    span(agent("fetcher"), number=6, parent=5),
    span({**CHAT, "gen_ai.response.id": "resp_2"}, number=7, parent=6),
    span({}, number=8, parent=6, name="GET /"),
    span({**CHAT, "gen_ai.response.id": "resp_3"}, number=9, parent=8),
]
SUMS = [
    span(sums("a", 100), number=1, kind=1),
    span(sums("b", 60), number=2, parent=1, kind=1),
    span(sums("c", 25), number=3, parent=2, kind=1),
]
FLEETS = {
    "agents": spans("genai-openai-agents"),
    "twice": spans("openai-twice"),
    "anthropic": spans("anthropic-twice"),
    "deep": DEEP,
    "sums": SUMS,
}


def booked(observed: Iterable[Event]) -> dict[str, Event]:
    """What a ledger makes of observations: of one call the highest revision, sums where no leaf of the group is."""
    kept: dict[str, Event] = {}
    for event in observed:
        old = kept.get(str(event.id))
        if old is None or seen(event).revision > seen(old).revision:
            kept[str(event.id)] = event
    leaves = {seen(event).group for event in kept.values() if seen(event).by is Observer.LEAF}
    return {
        name: event
        for name, event in kept.items()
        if seen(event).by is not Observer.AGGREGATE or seen(event).group not in leaves
    }


def seen(event: Event) -> Seen:
    assert event.seen is not None
    return event.seen


def arrive(world: World, batches: list[list[Span]]) -> dict[str, Event]:
    """What the batches come to for a tenant of their own."""
    tenant = f"t{next(TENANTS)}"
    now = world.clock.now().timestamp()
    observed: list[Event] = []
    for batch in batches:
        recent = [_at(one, int(now * 1e9)) for one in batch]
        found = world.run(world.services.traces.observe(recent, tenant))
        assert not found.rejections
        assert not found.postponed
        observed += [*found.events, *found.again]
    return booked(observed)


def _at(one: Span, nanos: int) -> Span:
    return msgspec.structs.replace(one, start_nanos=nanos, end_nanos=nanos + 1_000_000)


def shuffled(whole: list[Span], random: Random) -> list[list[Span]]:
    order = random.sample(whole, len(whole))
    batches: list[list[Span]] = [[]]
    for one in order:
        batches[-1].append(one)
        if random.random() < 0.6:
            batches.append([])
    # Exporters send again what they think was not received.
    return [batch for batch in batches if batch] + ([random.choice(batches[:-1] or batches)] if batches[0] else [])


@pytest.mark.parametrize("name", FLEETS)
def test_any_order_of_arrival_comes_to_the_same(world: World, name: str) -> None:
    whole = FLEETS[name]
    expected = arrive(world, [whole])
    for seed in range(ORDERS):
        found = arrive(world, shuffled(whole, Random(seed)))
        assert sorted((e.agent, e.run, e.model, e.input, e.output) for e in found.values()) == sorted(
            (e.agent, e.run, e.model, e.input, e.output) for e in expected.values()
        ), seed


def test_a_late_root_says_again_only_what_it_changes(world: World) -> None:
    traces = world.services.traces
    now = int(world.clock.now().timestamp() * 1e9)
    root, *rest = [_at(one, now) for one in DEEP]
    first = world.run(traces.observe(rest, "acme"))
    assert {event.agent.partition("#")[0] for event in first.events} == {"researcher", "researcher/fetcher"}
    late = world.run(traces.observe([root], "acme"))
    assert late.events == []
    assert {event.id: event.agent.replace("#00000000", "#") for event in late.again} == {
        "resp_1": "planner/researcher#",
        "resp_2": "planner/researcher#/fetcher#",
        "resp_3": "planner/researcher#/fetcher#",
    }
    assert {event.run for event in late.again} == {"talk"}
    revisions = {event.id: seen(event).revision for event in first.events}
    assert all(seen(event).revision > revisions[event.id] for event in late.again)
    # Sent again, it says the same again; a span that changes nothing says nothing.
    assert world.run(traces.observe([root], "acme")).again == late.again
    other = _at(span({}, number=99, parent=1, name="GET /"), now)
    assert world.run(traces.observe([other], "acme")).again == []


def test_a_trace_of_one_tenant_says_nothing_of_anothers(world: World) -> None:
    traces = world.services.traces
    now = int(world.clock.now().timestamp() * 1e9)
    root, *rest = [_at(one, now) for one in DEEP]
    world.run(traces.observe(rest, "acme"))
    assert world.run(traces.observe([root], "globex")).again == []


def test_a_call_under_ancestors_of_two_receivers_at_once_is_placed_by_one_of_them(world: World) -> None:
    traces = world.services.traces
    now = int(world.clock.now().timestamp() * 1e9)
    root, child = _at(span(agent("planner"), number=1), now), _at(span(CHAT, number=2, parent=1), now)

    async def both(tenant: str) -> list[Event]:
        found = await asyncio.gather(traces.observe([root], tenant), traces.observe([child], tenant))
        return [event for one in found for event in (*one.events, *one.again)]

    for number in range(20):
        observed = booked(world.run(both(f"race-{number}")))
        assert [event.agent for event in observed.values()] == ["planner"]
