"""Kill and freeze a running system at random, and prove that its books are right in the end.

    python -m tests.fault.chaos --kills 500 [--seed 7]

The same seed gives the same faults, at the same distances, and the same events; what they hit is up to the machine.
"""

import argparse
import contextlib
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple

from tests.fault.senders import Senders, Tally
from tests.fault.system import Process, System, Verdict
from tollbook.cli.app import build
from tollbook.embedded import PostgresServer, ValkeyServer
from tollbook.embedded.process import wait_until

LIMITS = {"acme": 2 * 10**7, "hooli": 5 * 10**8, "stark": 1}
SERVES, DRAINS, SENDERS = 2, 2, 4
# The workers of a receiver that has several are started again by it, every other target by this program.
WORKERS = {"serve-0": 2}
WEIGHTS = {
    "serve-0": 2, "serve-1": 2, "worker-0": 2, "drain-0": 4, "drain-1": 4, "valkey": 3, "postgres": 3,
}  # fmt: skip
DOWN_S = {"serve": 1.5, "drain": 1.0, "valkey": 1.2, "postgres": 1.2, "worker": 0.0}
# Time to come back before the same target is hit again: half of the time it is hit while it starts.
COMING_UP_S = {"serve": 3.0, "drain": 1.5, "valkey": 0.5, "postgres": 0.8, "worker": 2.0}


class Fault(NamedTuple):
    """At `at_s` the target is killed or frozen, for `for_s` seconds."""

    at_s: float
    for_s: float
    kind: Literal["kill", "freeze"]
    target: str


def schedule(seed: str, kills: int, gap_s: float = 0.9) -> list[Fault]:
    """Faults in order of time: `kills` kills, and about one freeze for every three."""
    random = Random(f"schedule/{seed}")
    targets, weights = list(WEIGHTS), list(WEIGHTS.values())
    free_at = dict.fromkeys(targets, 0.0)
    faults: list[Fault] = []
    at, killed = 1.0, 0
    while killed < kills:
        at += random.random() * 2 * gap_s
        target = random.choices(targets, weights)[0]
        if free_at[target] > at:
            continue
        kind: Literal["kill", "freeze"] = "kill" if random.random() < 0.75 or target.startswith("worker") else "freeze"
        place = target.partition("-")[0]
        down = DOWN_S[place] * random.random() if kind == "kill" else random.uniform(0.1, 1.5)
        faults.append(Fault(at, down, kind, target))
        free_at[target] = at + down + random.random() * 2 * COMING_UP_S[place]
        killed += kind == "kill"
    return faults


class Storm:
    """Lets a schedule loose on a system. One thread does it all: a store that comes back delays what follows."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._processes = {process.name: process for process in (*system.serves, *system.drains)}
        self._down: set[str] = set()
        self._clock = threading.Event()
        self.done: Counter[str] = Counter()

    def run(self, faults: list[Fault], progress: Callable[[int], None]) -> None:
        """Do every fault at its time, and bring back what it hit."""
        started = time.monotonic()
        actions = sorted(
            [(fault.at_s, number, "begin", fault) for number, fault in enumerate(faults)]
            + [(fault.at_s + fault.for_s, number, "end", fault) for number, fault in enumerate(faults)]
        )
        for at_s, number, phase, fault in actions:
            self._clock.wait(max(0.0, started + at_s - time.monotonic()))
            if phase == "begin":
                self._begin(fault)
                progress(number + 1)
            else:
                self._end(fault)
            self._supervise()

    def _begin(self, fault: Fault) -> None:
        place, _, number = fault.target.partition("-")
        self.done[f"{fault.kind} {place}"] += 1
        if place == "worker":
            process = self._system.serves[int(number)]
            if process.running:
                process.kill_worker()
            return
        self._down.add(fault.target)
        target = self._target(fault.target)
        if target.running:
            (target.kill if fault.kind == "kill" else target.pause)()

    def _end(self, fault: Fault) -> None:
        if fault.target.startswith("worker"):
            return
        self._down.discard(fault.target)
        target = self._target(fault.target)
        if fault.kind == "freeze":
            if target.running:
                target.resume()
        elif isinstance(target, Process):
            target.start()
        elif not target.running:
            target.restart()

    def _supervise(self) -> None:
        """What ended by itself is started again, as `tollbook up` does."""
        for name, process in self._processes.items():
            if name not in self._down and not process.running:
                self.done[f"ended {process.role}"] += 1
                process.start()

    def _target(self, name: str) -> Process | PostgresServer | ValkeyServer:
        stores = {"valkey": self._system.valkey, "postgres": self._system.postgres}
        return stores.get(name) or self._processes[name]


class Outcome(NamedTuple):
    """What a run came to."""

    verdict: Verdict
    tally: Tally
    done: Counter[str]
    seconds: float


def run(directory: Path, seed: str, kills: int, say: Callable[[str], None]) -> Outcome:
    """Start a system, send and let the storm loose, wait for rest, audit."""
    faults = schedule(seed, kills)
    started = time.monotonic()
    system = System(directory, serves=SERVES, drains=DRAINS, partitions=3, limits=LIMITS, workers=WORKERS)
    with system.running():
        say(f"up after {time.monotonic() - started:.1f} s; {len(faults)} faults, {kills} of them kills")
        senders = system.senders(SENDERS, seed, ledger_share=0.15)
        storm = Storm(system)

        def progress(number: int) -> None:
            if number % 10 == 0 or number == len(faults):
                say(f"{number}/{len(faults)} faults, {senders.acked} events acknowledged")

        senders.start()
        storm.run(faults, progress)
        system.revive()
        system.await_ready()
        acked = senders.acked
        # Whatever it went through, it takes events again.
        assert storm_is_over(senders, acked), f"nothing is acknowledged any more: {senders.acked} events"
        tally = senders.stop()
        system.await_rest()
        verdict = system.audit(tally)
        with_verify(system, verdict)
        return Outcome(verdict, tally, storm.done, time.monotonic() - started)


def storm_is_over(senders: Senders, acked: int) -> bool:
    """Wait until more events are acknowledged than were before."""
    return wait_until(lambda: senders.acked > acked + 50, deadline_seconds=60)


def with_verify(system: System, verdict: Verdict) -> None:
    """Ask `tollbook verify` too, once there is one."""
    if "verify" not in {command.name or command.callback.__name__ for command in build().registered_commands}:
        return
    asked = subprocess.run(
        [sys.executable, "-m", "tollbook.cli.main", "verify"],
        env=system.settings.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if asked.returncode:
        verdict.differences.append(f"tollbook verify: {asked.stdout}{asked.stderr}".strip())


def report(outcome: Outcome) -> Iterator[str]:
    """What a person wants to know."""
    tally = outcome.tally
    faults = ", ".join(f"{count} {what}" for what, count in sorted(outcome.done.items()))
    yield f"{faults}; {outcome.seconds:.0f} s"
    yield (
        f"{len(tally.acked)} events acknowledged in {tally.batches} batches, {tally.doubts} tries in doubt "
        f"({tally.refused} told 503), {tally.repeats} repeats; {outcome.verdict.entries} entries"
    )
    yield from outcome.verdict.differences


def main() -> None:
    """Run from the command line; exits 1 where the books are wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.chaos", description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", default=secrets.token_hex(4))
    parser.add_argument("--keep", type=Path, help="Keep data and logs in this directory.")
    options = parser.parse_args()
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started:7.1f} s  {text}", file=sys.stderr, flush=True)

    say(f"seed {options.seed}")
    with contextlib.ExitStack() as stack:
        directory = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tollbook-chaos-")))
        directory.mkdir(parents=True, exist_ok=True)
        outcome = run(directory, options.seed, options.kills, say)
    for line in report(outcome):
        print(line)
    if outcome.verdict.differences:
        sys.exit(f"the books are wrong; --seed {options.seed} repeats these faults")
    print("the books are right")


if __name__ == "__main__":
    main()
