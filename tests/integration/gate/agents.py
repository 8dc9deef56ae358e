"""Agents that spend a budget to its end, hundreds at once in a process of its own.

Each asks for a hold of a random size, makes a call that costs no more than was held, and reports it.
"""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec

from tests.world import PRICED_MODEL, World, event
from tollbook.domain.budget import Fail
from tollbook.domain.decision import Decision, Verdict
from tollbook.enforcement.asks import Ask

ROOT = Path(__file__).parents[3]
SMALLEST = (50, 50)
"""Input and output tokens of the smallest call."""


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """One process of agents. `paths` are agent paths with instances, given out in turn."""

    postgres_url: str
    valkey_url: str
    prefix: str
    agents: int
    seed: int
    paths: tuple[str, ...] = ("planner",)
    run: str | None = None


class Spent(msgspec.Struct, frozen=True):
    """What a process of agents came to."""

    calls: int
    tokens: int
    busy: int
    unsure: int
    degraded: int
    released: int


class Agents:
    """The agents of one process."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._world = World(fleet.postgres_url, fleet.valkey_url, fleet.prefix)
        self._calls = self._tokens = self._busy = self._unsure = self._degraded = self._released = 0

    def spend(self) -> Spent:
        """Let all agents spend until the smallest call is refused as spent."""
        self._world.run(self._all())
        self._world.close()
        return Spent(self._calls, self._tokens, self._busy, self._unsure, self._degraded, self._released)

    async def _all(self) -> None:
        fleet, paths = self._fleet, self._fleet.paths
        randoms = [Random(fleet.seed * 10_000 + number) for number in range(fleet.agents)]
        await asyncio.gather(*(self._agent(random, paths[n % len(paths)]) for n, random in enumerate(randoms)))

    async def _agent(self, random: Random, path: str) -> None:
        smallest_only = False
        while True:
            size = SMALLEST if smallest_only else (random.randint(50, 2_000), random.randint(50, 4_000))
            decision = await self._held(random, path, size)
            match decision.verdict:
                case Verdict.ALLOW | Verdict.ALLOW_DEGRADED:
                    await self._call(random, path, size, decision)
                case Verdict.SPENT:
                    if smallest_only:
                        return
                    smallest_only = True
                case Verdict.BUSY:
                    # The store is asked in between: this waits for others, it does not spin.
                    self._busy += 1
                case Verdict.UNSURE:
                    # On a busy machine the ledger may take too long to tell of a run: closed is what it then is.
                    assert decision.fail is Fail.CLOSED
                    self._unsure += 1

    async def _held(self, random: Random, path: str, size: tuple[int, int]) -> Decision:
        ask = Ask(
            tenant="acme",
            agent=path,
            model=PRICED_MODEL,
            run=self._fleet.run,
            input_tokens=size[0],
            max_output_tokens=size[1],
            min_output_tokens=random.choice((None, 50)),
        )
        return await self._world.gate.hold(ask)

    async def _call(self, random: Random, path: str, size: tuple[int, int], decision: Decision) -> None:
        assert decision.hold is not None
        granted = size[1] if decision.granted_max_output_tokens is None else decision.granted_max_output_tokens
        self._degraded += decision.verdict is Verdict.ALLOW_DEGRADED
        if random.random() < 0.02:
            await self._world.gate.release("acme", decision.hold.id, None)
            self._released += 1
            return
        # The smallest call costs all that it holds, so that the budget's end can be told.
        output = granted if size == SMALLEST else random.randint(0, granted)
        call = event(agent=path, run=self._fleet.run, input=size[0], output=output, hold=decision.hold.id)
        await self._world.accepting([call])
        self._calls += 1
        self._tokens += size[0] + output


def spend(fleets: Sequence[Fleet]) -> "Spending":
    """Start a process for each fleet."""
    return Spending([_started(fleet) for fleet in fleets])


class Spending:
    """Processes of agents at work."""

    def __init__(self, processes: "list[subprocess.Popen[bytes]]") -> None:
        self._processes = processes

    @property
    def at_work(self) -> bool:
        """Whether any of them still is."""
        return any(process.poll() is None for process in self._processes)

    def spent(self) -> list[Spent]:
        """What each came to, at the end."""
        found = []
        for process in self._processes:
            told, _ = process.communicate()
            assert process.returncode == 0
            found.append(msgspec.json.decode(told, type=Spent))
        return found


def _started(fleet: Fleet) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.gate.agents"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(fleet))
    process.stdin.close()
    process.stdin = None
    return process


if __name__ == "__main__":
    ordered = msgspec.json.decode(sys.stdin.buffer.read(), type=Fleet)
    print(msgspec.json.encode(Agents(ordered).spend()).decode())
