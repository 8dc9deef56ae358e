"""Not a nano-dollar too much: strict budgets under a thousand agents, beside what reading before acting does."""

import asyncio

import pytest

from tests.budgets import USD, budget, set_budgets
from tests.integration.gate.agents import SMALLEST, Fleet, Spent, spend
from tests.world import NANOS_PER_TOKEN, PRICED_MODEL, World, event
from tollbook.domain.decision import Verdict
from tollbook.domain.meter import ScopeKind, WindowKind
from tollbook.enforcement.asks import Ask

AGENTS = 1_000
PROCESSES = 4
RUN = "task-9"
SMALLEST_NANOS = sum(SMALLEST) * NANOS_PER_TOKEN


def spending(world: World, postgres_url: str, valkey_url: str, **more: object) -> list[Spent]:
    """Let a thousand agents of four processes spend, and drain meanwhile."""
    prefix = world.keys.throttled("").removesuffix("throttled:")
    fields = {"postgres_url": postgres_url, "valkey_url": valkey_url, "prefix": prefix}
    fleets = [Fleet(**fields, agents=AGENTS // PROCESSES, seed=seed, **more) for seed in range(PROCESSES)]
    partition = world.directory.tenancy.partition_of("acme")
    with spend(fleets) as working:
        while working.at_work:
            world.run(world.journal.wait(partition, "", 200))
            world.drain()
        spent = working.spent()
    world.drain()
    return spent


def nanos_by(world: World, what: str) -> dict[str, int]:
    """What entries sum up to, by a column."""
    rows = world.run(world.pool.fetch(f"SELECT {what}, sum(cost_nanos)::bigint FROM entry GROUP BY 1"))
    return dict(rows)


def held(world: World) -> dict[str, int]:
    """What meters of acme still hold."""
    key = world.keys.tenant(world.directory.tenancy.partition_of("acme"), "acme")
    found = world.run(world.store.hgetall(key))
    return {name.decode(): int(value) for name, value in found.items() if name.endswith(b":h") and int(value)}


@pytest.mark.timeout(600)
def test_a_thousand_agents_spend_five_dollars_and_not_a_nano_dollar_more(
    world: World, postgres_url: str, valkey_url: str
) -> None:
    set_budgets(world, budget(5 * USD))
    world.drain()
    spent = spending(world, postgres_url, valkey_url)
    total = nanos_by(world, "tenant")["acme"]
    print(f"{sum(one.calls for one in spent)} calls, {5 * USD - total} nano-dollars left; {spent}")
    assert total == sum(one.tokens for one in spent) * NANOS_PER_TOKEN
    assert total <= 5 * USD
    assert 5 * USD - total < SMALLEST_NANOS
    assert held(world) == {}


@pytest.mark.timeout(600)
def test_a_tree_of_agents_keeps_to_every_share_and_to_the_run(world: World, postgres_url: str, valkey_url: str) -> None:
    """Eight children with a dollar each of the run's five, and three grandchildren of 40 cents below each."""
    children = [f"planner/worker#{n}" for n in range(8)]
    leaves = [f"{child}/fetcher#{n}" for child in children for n in range(3)]
    limits = {RUN: 5 * USD, **dict.fromkeys(children, USD), **dict.fromkeys(leaves, 2 * USD // 5)}
    run = budget(5 * USD, "run", scope=ScopeKind.RUN, match=RUN, window=WindowKind.RUN)
    shares = [
        budget(limit, f"share-{path}", scope=ScopeKind.INSTANCE, match=f"{RUN}/{path}", window=WindowKind.RUN)
        for path, limit in limits.items()
        if path != RUN
    ]
    set_budgets(world, budget(1_000 * USD), run, *shares)
    world.drain()
    spent = spending(world, postgres_url, valkey_url, run=RUN, paths=(*children, *leaves))
    by_agent = nanos_by(world, "agent")
    for path, limit in limits.items():
        below = sum(nanos for agent, nanos in by_agent.items() if path == RUN or f"{agent}/".startswith(f"{path}/"))
        assert below <= limit, path
    total = sum(by_agent.values())
    print(f"{sum(one.calls for one in spent)} calls, {5 * USD - total} nano-dollars of the run left; {spent}")
    assert 5 * USD - total < SMALLEST_NANOS
    assert held(world) == {}


def test_calls_without_max_output_tokens_fill_a_budget(world: World) -> None:
    """A budget that fifty steps fit admits fifty of two hundred calls at once, where reading first admits them all."""
    step = (100 + 1_024) * NANOS_PER_TOKEN
    set_budgets(world, budget(50 * step))
    world.drain()
    ask = Ask(tenant="acme", agent="planner", model=PRICED_MODEL, input_tokens=100)

    async def at_once() -> list[Verdict]:
        return [decision.verdict for decision in await asyncio.gather(*(world.gate.hold(ask) for _ in range(200)))]

    verdicts = world.run(at_once())
    assert verdicts.count(Verdict.ALLOW) == 50
    assert verdicts.count(Verdict.BUSY) == 150


def test_reading_before_acting_overshoots(world: World) -> None:
    """The naive way, for comparison: each of two hundred agents reads what is spent, then calls, then reports."""
    limit = 50 * 150 * NANOS_PER_TOKEN
    set_budgets(world, budget(limit))
    world.drain()
    today = world.clock.now().date()

    async def agent(number: int) -> bool:
        spent = (await world.reading.day("acme", today)).cost_nanos
        if spent >= limit:
            return False
        await world.accepting([event(id=f"call-{number}")])
        return True

    async def all_at_once() -> list[bool]:
        return await asyncio.gather(*(agent(number) for number in range(200)))

    admitted = sum(world.run(all_at_once()))
    world.drain()
    total = nanos_by(world, "tenant")["acme"]
    print(f"read, then act: {admitted} calls, {total / limit:.1f} times the budget")
    assert total > limit
