"""What a ledger holds when it is looked at: an ordinary fleet, nothing, 500 agents, and names that mean harm."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from tollbook.app.fleet import calls

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>'",
    "שלום \u202etpircs\u202c عالم",
    "a-" + "very-long-name-" * 16,
    "🚀🧾💸 fleet 👩‍👩‍👧‍👦",
    "${7*7}%7B%7B7*7%7D%7D",
    "=HYPERLINK(1)",
    "org/team with space?&#",
)


class Scene(NamedTuple):
    """A ledger's content; `tenant` is the one whose page is looked at."""

    name: str
    tenant: str

    def events(self) -> Iterator[dict[str, Any]]:
        """What is sent before anybody looks."""
        made = {"data": _ordinary, "empty": _nothing, "agents": _agents, "hostile": _hostile}
        yield from made[self.name]()


SCENES = (Scene("data", "acme"), Scene("empty", "nobody"), Scene("agents", "swarm"), Scene("hostile", HOSTILE[0]))


def _nothing() -> Iterator[dict[str, Any]]:
    yield from ()


def _ordinary() -> Iterator[dict[str, Any]]:
    random, now = Random(7), datetime.now(UTC)
    for number, event in enumerate(calls(random, 3_000)):
        age = min(random.expovariate(0.15), 33) if number % 3 else random.random()
        yield {**event, "ts": (now - timedelta(days=age)).isoformat()}
    yield {"tenant": "acme", "agent": "planner", "model": "house-llm-3", "input": 50_000, "output": 3_000}


def _agents() -> Iterator[dict[str, Any]]:
    random = Random(11)
    for number in range(500):
        agent = f"lead-{number % 7}/worker-{number % 50}/helper-{number}"
        size = int(200 * 1.02 ** random.randint(0, 300))
        yield {
            "tenant": "swarm",
            "agent": agent,
            "model": "claude-haiku-5-5",
            "input": size,
            "output": 100,
            "run": "night shift",
        }


def _hostile() -> Iterator[dict[str, Any]]:
    for number, name in enumerate(HOSTILE):
        agent = name.replace("/", "-").replace("#", "-")
        size = 90_000 * (number + 1)
        for tenant in (name.replace("{", "(").replace("}", ")").replace(":", "-")[:250], HOSTILE[0]):
            yield {
                "tenant": tenant,
                "agent": f"{agent}/{agent}"[:250],
                "model": name[:250],
                "run": name[:250],
                "input": size,
                "output": 9,
            }
