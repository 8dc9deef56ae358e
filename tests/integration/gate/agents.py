"""Agents that spend a budget to its end, hundreds at once in a process of its own.

Each asks for a hold of a random size, makes a call that costs no more than was held, and reports it.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import BinaryIO

import msgspec

from tests.world import PRICED_MODEL, World, event
from tollbook.app.clock import SystemClock
from tollbook.domain.budget import Fail
from tollbook.domain.decision import Decision, Verdict
from tollbook.domain.errors import JournalUnavailable, StoreError
from tollbook.domain.event import Event
from tollbook.enforcement.asks import Ask
from tollbook.pipeline.accept import Intake, IntakeSettings
from tollbook.pipeline.resolve import Sender

ROOT = Path(__file__).parents[3]
HALT, GO = b"halt\n", b"go\n"
HALTED = "halted"
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
    outlives_losses: bool = False
    """Reports until the ledger has it, as the SDK's outbox does."""


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
        world = self._world = World(fleet.postgres_url, fleet.valkey_url, fleet.prefix)
        # Waits for a commit in real time.
        self._intake = Intake(world.journal, world.ledger, SystemClock(), world.telemetry, IntakeSettings())
        self._going = asyncio.Event()
        self._going.set()
        self._standing = 0
        self._waiting: list[str] = []
        self._calls = self._tokens = self._busy = self._unsure = self._degraded = self._released = 0

    def spend(self) -> Spent:
        """Let all agents spend until the smallest call is refused as spent."""
        self._world.run(self._all())
        self._world.close()
        return Spent(self._calls, self._tokens, self._busy, self._unsure, self._degraded, self._released)

    def obey(self, orders: BinaryIO) -> None:
        """Follow the orders of the parent, a line each, from a thread of its own."""
        for order in orders:
            self._world.runner.get_loop().call_soon_threadsafe(self._halt if order == HALT else self._go)

    def _halt(self) -> None:
        self._going.clear()
        self._stand(0)

    def _go(self) -> None:
        self._standing -= len(self._waiting)
        self._waiting.clear()
        self._going.set()

    def _stand(self, agents: int) -> None:
        """Count those that make no call until they are told to go on; the parent hears when that is all of them."""
        self._standing += agents
        if self._standing == self._fleet.agents and not self._going.is_set():
            print(HALTED, flush=True)

    async def _all(self) -> None:
        fleet, paths = self._fleet, self._fleet.paths
        randoms = [Random(fleet.seed * 10_000 + number) for number in range(fleet.agents)]
        await asyncio.gather(*(self._agent(random, paths[n % len(paths)]) for n, random in enumerate(randoms)))

    async def _agent(self, random: Random, path: str) -> None:
        smallest_only = False
        while True:
            if not self._going.is_set():
                self._waiting.append(path)
                self._stand(1)
                await self._going.wait()
            size = SMALLEST if smallest_only else (random.randint(50, 2_000), random.randint(50, 4_000))
            decision = await self._held(random, path, size)
            match decision.verdict:
                case Verdict.ALLOW | Verdict.ALLOW_DEGRADED:
                    await self._call(random, path, size, decision)
                case Verdict.SPENT:
                    if smallest_only:
                        self._stand(1)
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
            await self._release(decision.hold.id)
            self._released += 1
            return
        # The smallest call costs all that it holds, so that the budget's end can be told.
        output = granted if size == SMALLEST else random.randint(0, granted)
        call = event(agent=path, run=self._fleet.run, input=size[0], output=output, hold=decision.hold.id)
        if self._fleet.outlives_losses:
            await self._report(msgspec.structs.replace(call, id=decision.hold.id))
        else:
            await self._world.accepting([call])
        self._calls += 1
        self._tokens += size[0] + output

    async def _release(self, hold_id: str) -> None:
        while True:
            try:
                await self._world.gate.release("acme", hold_id, None)
            except JournalUnavailable:
                # Valkey is being killed: a release that is not heard would hold its room for a minute.
                continue
            return

    async def _report(self, call: Event) -> None:
        """Report one call until the ledger has it."""
        resolved = None
        while resolved is None:
            resolved = self._world.resolver().resolve([call], None, Sender(), self._world.clock.now())
            try:
                await self._intake.accept(resolved, "ledger")
            except StoreError:
                resolved = None


def spend(fleets: Sequence[Fleet]) -> "Spending":
    """Start a process for each fleet."""
    return Spending([_started(fleet) for fleet in fleets])


class Spending:
    """Processes of agents at work. Left as a context, those still at work are killed."""

    def __init__(self, processes: "list[subprocess.Popen[bytes]]") -> None:
        self._processes = processes
        self._told: dict[int, bytes] = {}

    def __enter__(self) -> "Spending":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()

    @property
    def at_work(self) -> bool:
        """Whether any of them still is."""
        return any(process.poll() is None for process in self._processes)

    def halt(self) -> None:
        """Return once no call is under way any more: every agent has reported and waits, or is through."""
        self._order(HALT)
        for process in self._processes:
            told = _line(process)
            if told != f"{HALTED}\n".encode():
                self._told[process.pid] = told

    def go_on(self) -> None:
        """Let them go on."""
        self._order(GO)

    def spent(self) -> list[Spent]:
        """What each came to, at the end."""
        found = []
        for process in self._processes:
            told = self._told.get(process.pid) or _line(process)
            assert process.wait() == 0
            found.append(msgspec.json.decode(told, type=Spent))
        return found

    def _order(self, order: bytes) -> None:
        for process in self._processes:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(order)
                process.stdin.flush()


def _line(process: "subprocess.Popen[bytes]") -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def _started(fleet: Fleet) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.gate.agents"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(fleet) + b"\n")
    process.stdin.flush()
    return process


def main() -> None:
    """Spend as ordered on standard input, and obey what comes there meanwhile."""
    orders = sys.stdin.buffer
    agents = Agents(msgspec.json.decode(orders.readline(), type=Fleet))
    threading.Thread(target=agents.obey, args=(orders,), daemon=True).start()
    print(msgspec.json.encode(agents.spend()).decode(), flush=True)
    # The thread that reads orders holds a lock that an orderly end would wait for.
    os._exit(0)


if __name__ == "__main__":
    main()
