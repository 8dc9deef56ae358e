"""Processes that kill themselves with SIGKILL at a named step; what runs in them is the product, unchanged."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Awaitable, Callable
from functools import cache
from operator import attrgetter
from typing import Literal, NamedTuple

from tollbook.app.config import Settings
from tollbook.app.wiring import World
from tollbook.domain.errors import JournalUnavailable
from tollbook.domain.record import Record
from tollbook.ingest.native import decode
from tollbook.pipeline.accept import Intake, IntakeSettings
from tollbook.pipeline.drain import Drain, DrainSettings
from tollbook.pipeline.resolve import Resolved, Sender
from tollbook.ports.journal import Posted
from tollbook.pricing.book import PriceBook
from tollbook.pricing.bundled import bundled_book
from tollbook.pricing.quote import Ceiling

CHILD_S = 60.0
KILLED = -signal.SIGKILL


class Step(NamedTuple):
    """Where to die: at the nth crossing of a drain's step, or around the nth call of one of a world's parts."""

    when: Literal["crossing", "before", "after"]
    name: str
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.when}-{self.name}-{self.nth}".replace(" ", "-")


class Fate:
    """Counts passings of the step and kills this process at the one it waits for."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._left = step.nth

    def meet(self, when: str, name: str) -> None:
        if (when, name) == self._step[:2]:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    async def crossing(self, name: str) -> None:
        self.meet("crossing", name)

    def await_call(self, world: World) -> None:
        """Watch the calls of the method that the step names, such as `journal.settle`."""
        if self._step.when == "crossing":
            return
        path, _, method = self._step.name.rpartition(".")
        part = attrgetter(path)(world)
        watched: Callable[..., Awaitable[object]] = getattr(part, method)

        async def dying(*args: object, **named: object) -> object:
            self.meet("before", self._step.name)
            answer = await watched(*args, **named)
            self.meet("after", self._step.name)
            return answer

        setattr(part, method, dying)


class JournalAway:
    """A journal that answers nothing: what is accepted goes to the inbox."""

    async def post(self, record: Record) -> Posted:
        raise JournalUnavailable("away, as the test wants it")


@cache
def prices() -> PriceBook:
    """The bundled prices: reading them takes longer than all the rest of a test."""
    return bundled_book(unpriced=Ceiling())


async def resolved(world: World, body: bytes) -> Resolved:
    """A request's events, priced and attributed as a receiver does it."""
    await world.directory.refresh()
    events = decode(body, "application/json", world.intake_limits())
    found = world.resolver(prices()).resolve(events.events, None, Sender(), world.clock.now())
    assert not events.rejections
    assert not found.rejections
    return found


async def accept(world: World, body: bytes, *, inbox: bool = False) -> None:
    """Acknowledge a request: return once it is journalled, or in the inbox."""
    journal = JournalAway() if inbox else world.journal
    intake = Intake(journal, world.ledger, world.clock, world.metrics, IntakeSettings())
    await intake.accept(await resolved(world, body), "journal")


def _drain(settings: Settings, step: Step) -> None:
    async def run() -> None:
        world = await World.open(settings, books=True)
        await world.directory.refresh()
        fate = Fate(step)
        fate.await_call(world)
        parts = (world.journal, world.ledger, world.clock, world.metrics)
        # Batches of one record: every step is passed more than once.
        small = DrainSettings(read_records_max=1, inbox_records_max=1)
        await Drain(0, *parts, rebuild=world.rebuild(), settings=small, crossing=fate.crossing).run()

    asyncio.run(run())


def _receive(settings: Settings, step: Step, body: bytes, inbox: bool) -> None:
    async def run() -> None:
        world = await World.open(settings, books=True)
        Fate(step).await_call(world)
        await accept(world, body, inbox=inbox)

    asyncio.run(run())


def ends(target: Callable[..., None], *args: object) -> int | None:
    """Run something in a process of its own; its exit code, None where it had to be stopped."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=target, args=args, daemon=True)
    process.start()
    process.join(CHILD_S)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
    process.close()
    return code


def drain_until(settings: Settings, step: Step) -> int | None:
    """Drain partition 0 in a process that dies at the step; its exit code, None where it never came to the step."""
    return ends(_drain, settings, step)


def receive_until(settings: Settings, step: Step, body: bytes, *, inbox: bool) -> int | None:
    """Accept a request in a process that dies at the step; its exit code."""
    return ends(_receive, settings, step, body, inbox)
