"""A fleet to show and to test with: tenants, their agents and sub-agents, and calls as large as measured ones.

Token counts are drawn from the quantiles of two public traces of production LLM services: code completion (Azure LLM
inference trace 2023, CC-BY 4.0) and chat (Mooncake conversation trace, FAST '25, Apache 2.0).
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import count
from random import Random
from uuid import UUID

import msgspec

_PERCENTS = (0, 5, 10, 25, 50, 75, 90, 95, 99, 100)
_CODE = ((3, 75, 147, 578, 1469, 2744, 5186, 7302, 7436, 7437), (6, 6, 7, 9, 13, 24, 55, 90, 249, 1899))
_CHAT = (
    (891, 901, 964, 2306, 6909, 15366, 27367, 39549, 85399, 126195),
    (1, 10, 24, 156, 350, 472, 597, 698, 1115, 2000),
)


class FleetTenant(msgspec.Struct, frozen=True):
    """One tenant of the fleet: what its agents are, which models they call, and how large its calls are."""

    name: str
    agents: tuple[str, ...]
    models: tuple[str, ...]
    workload: tuple[tuple[int, ...], tuple[int, ...]]


FLEET = (
    FleetTenant(
        "acme",
        ("planner", "planner/researcher", "planner/researcher/fetcher", "planner/writer"),
        ("claude-opus-4-7",),
        _CHAT,
    ),
    FleetTenant(
        "globex", ("reviewer", "reviewer/linter", "reviewer/tester"), ("claude-sonnet-5", "gpt-5.6-sol"), _CODE
    ),
    FleetTenant("initech", ("support", "support/search"), ("claude-haiku-5-5", "gemini-3.8-flash"), _CHAT),
)


def drawn(quantiles: tuple[int, ...], at: float) -> int:
    """The value at a fraction of the distribution, straight between its quantiles.

    >>> drawn((3, 75, 147, 578, 1469, 2744, 5186, 7302, 7436, 7437), 0.5)
    1469
    """
    percent = at * 100
    upper = min(bisect_right(_PERCENTS, percent), len(_PERCENTS) - 1)
    low, high = _PERCENTS[upper - 1], _PERCENTS[upper]
    share = (percent - low) / (high - low)
    return round(quantiles[upper - 1] + share * (quantiles[upper] - quantiles[upper - 1]))


def calls(random: Random, calls_max: int) -> Iterator[dict[str, object]]:
    """`calls_max` events of the fleet, each with an id of its own; the same seed draws the same fleet."""
    for number in range(calls_max):
        tenant = FLEET[number % len(FLEET)]
        agent = random.choice(tenant.agents)
        prompt = drawn(tenant.workload[0], random.random())
        yield {
            "id": str(UUID(int=random.getrandbits(128), version=4)),
            "tenant": tenant.name,
            "agent": agent,
            "run": f"{tenant.name}-run-{number // 300}",
            "model": random.choice(tenant.models),
            "input": prompt,
            "output": drawn(tenant.workload[1], random.random()),
            "cache_read": prompt // 2 if random.random() < 0.3 else 0,
        }


def tasks(random: Random, calls_each: int = 40) -> Iterator[dict[str, object]]:
    """Events without end, each of an agent's instance: every tenant runs one task after the other."""
    for task in count(1):
        for event in calls(random, calls_each * len(FLEET)):
            instances = (f"{role}#{random.randint(1, 3)}" for role in str(event["agent"]).split("/"))
            yield event | {"agent": "/".join(instances), "run": f"{event['tenant']}-task-{task}"}
