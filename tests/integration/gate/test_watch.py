"""Whoever watches a tenant is told what its budgets show, at once and as it changes."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from tests.budgets import COST, USD, Asking, budget, set_budgets
from tests.world import World, event
from tollbook.domain.access import Role
from tollbook.domain.meter import ScopeKind, WindowKind
from tollbook.enforcement.watch import State


@pytest.fixture
def asking(world: World) -> Asking:
    return Asking(world)


async def until(states: AsyncGenerator[State, None], spent: int) -> State:
    """The first state in which the day has come to so much."""
    async for state in states:
        if any(facts.id == "daily" and facts.spent == spent for facts in state.budgets):
            return state
    raise AssertionError("the watch has ended")


def test_a_watcher_is_told_at_once_and_when_a_budget_is_spent(asking: Asking) -> None:
    world = asking.world
    asking.budgets(budget(COST))

    async def watched() -> tuple[State, State]:
        states = world.services.watch.states("acme")
        first = await anext(states)
        await world.accepting([event()])
        then = await until(states, COST)
        await states.aclose()
        return first, then

    first, then = world.run(watched())
    assert (first.tenant, first.throttled, first.budgets[0].limit, first.refusing) == ("acme", False, COST, (False,))
    assert (then.throttled, then.refusing) == (True, (True,))


def test_a_changed_budget_is_told(asking: Asking) -> None:
    world = asking.world

    async def first() -> tuple[AsyncGenerator[State, None], State]:
        states = world.services.watch.states("acme")
        return states, await anext(states)

    async def then(states: AsyncGenerator[State, None]) -> State:
        found = await anext(states)
        await states.aclose()
        return found

    states, before = world.run(first())
    share = budget(USD, "share", scope=ScopeKind.INSTANCE, match="r1/planner", window=WindowKind.RUN)
    each = budget(USD, "each", scope=ScopeKind.RUN, window=WindowKind.RUN)
    set_budgets(world, budget(2 * USD), share, each)
    after = world.run(then(states))
    assert after.version > before.version
    shown = {facts.id: facts for facts in after.budgets}
    assert shown.keys() == {"daily", "share"}
    assert (shown["daily"].limit, shown["share"].match) == (2 * USD, "r1/planner")


def test_many_watchers_of_a_tenant_share_one_look(asking: Asking) -> None:
    """Fifty watchers are told the very same state, and nobody looks any more once the last has gone."""
    world = asking.world

    async def watched() -> list[State]:
        watchers = [world.services.watch.states("acme") for _ in range(50)]
        told = await asyncio.gather(*(anext(states) for states in watchers))
        (looking,) = (task for task in asyncio.all_tasks() if task.get_name() == "watch")
        for states in watchers:
            await states.aclose()
        await asyncio.wait({looking})
        assert looking.done()
        return told

    told = world.run(watched())
    assert all(state is told[0] for state in told)


def test_who_may_watch_whom(asking: Asking) -> None:
    world = asking.world
    assert world.get("/v1/watch?tenant=acme").status_code == 401
    assert world.get("/v1/watch?tenant=acme", world.key(Role.INGEST, "globex")).status_code == 403
    assert world.get("/v1/watch", world.key(Role.READ)).json()["code"] == "query_invalid"
