"""kill -9 of a real process between every two steps of drain, rebuild and receiver: the books stay right."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from tests.core_world import CROSSINGS
from tests.fault.auditor import Auditor, Rest
from tests.fault.dying import KILLED, Step, accept, drain_until, receive_until
from tests.fault.senders import Calls, Tally
from tests.servers import empty_valkey, own_database
from tollbook.app.config import Settings
from tollbook.app.wiring import World
from tollbook.embedded import PostgresServer, ValkeyServer
from tollbook.ledger.migrate import migrate

LIMITS = {"acme": 1}
REST_S = 60.0

DRAIN_STEPS = [
    *(Step("crossing", name, nth) for name in CROSSINGS for nth in (1, 3)),
    Step("after", "ledger._booking._close", 2),
    Step("before", "journal.settle", 2),
    Step("after", "ledger.inbox_peek"),
]
REBUILD_STEPS = [
    *(Step("after", f"journal.rebuild_{name}") for name in ("begin", "load", "open")),
    Step("before", "journal.limit"),
    Step("before", "journal.rebuild_open"),
    Step("before", "journal.evaluate"),
    Step("after", "journal.evaluate"),
]
RECEIVER_STEPS = [
    *((Step(when, "journal.post"), False) for when in ("before", "after")),
    *((Step(when, "ledger.inbox_append"), True) for when in ("before", "after")),
]


class Ground:
    """One ledger and one Valkey for all steps; the books grow from one to the next."""

    def __init__(self, postgres_url: str, valkey: ValkeyServer) -> None:
        self.settings = Settings(postgres_url=postgres_url, valkey_url=valkey.url)
        self.tally = Tally()
        self._valkey = valkey
        self._calls = Calls("step", Random("steps"))

    def body(self, *, acked: bool) -> bytes:
        """A request of some events, remembered as sent."""
        sent, body = self._calls.batch()
        self.tally.sent |= {(event.tenant, event.event_id): event for event in sent}
        if acked:
            self.acked(body_events=[(event.tenant, event.event_id) for event in sent])
        return body

    def acked(self, body_events: list[tuple[str, str]]) -> None:
        """Remember events as acknowledged."""
        self.tally.acked |= dict.fromkeys(body_events, time.monotonic())

    def flush(self) -> None:
        """Lose everything that Valkey holds."""
        empty_valkey(self._valkey)

    @asynccontextmanager
    async def world(self) -> AsyncIterator[World]:
        """The product's own parts on the ground."""
        world = await World.open(self.settings, books=True)
        try:
            await world.directory.refresh()
            yield world
        finally:
            await world.close()

    async def report(self) -> None:
        """Leave something of everything to drain: records, a repeat, an inbox record, one in both."""
        async with self.world() as world:
            bodies = [self.body(acked=True) for _ in range(4)]
            for body in (*bodies[:3], bodies[0]):
                await accept(world, body)
            for body in (bodies[3], bodies[1]):
                await accept(world, body, inbox=True)

    async def finish(self) -> list[str]:
        """Drain what is left with a drain that lives, and audit."""
        rest = Rest(self.settings.postgres_url, self.settings.valkey_url)
        async with self.world() as world:
            draining = asyncio.create_task(world.drain(0).run())
            try:
                async with asyncio.timeout(REST_S):
                    while not await rest.reached():
                        await world.clock.pause(0.02)
            except TimeoutError:
                return [f"no rest: {rest.waiting}"]
            finally:
                draining.cancel()
                await asyncio.gather(draining, return_exceptions=True)
        auditor = Auditor(self.settings.postgres_url, self.settings.valkey_url, LIMITS)
        await auditor.audit(self.tally)
        return auditor.differences


async def _limit(ground: Ground) -> None:
    async with ground.world() as world:
        for tenant, nanos in LIMITS.items():
            await world.config.set_limit(tenant, nanos, "a test")


@pytest.fixture(scope="module")
def ground(postgres_server: PostgresServer, valkey_server: ValkeyServer) -> Iterator[Ground]:
    empty_valkey(valkey_server)
    with own_database(postgres_server) as url:
        asyncio.run(migrate(url, partitions=1))
        ground = Ground(url, valkey_server)
        asyncio.run(_limit(ground))
        yield ground


@pytest.mark.parametrize("step", DRAIN_STEPS, ids=str)
def test_a_drain_killed_at_a_step_leaves_work_that_the_next_one_finishes(ground: Ground, step: Step) -> None:
    asyncio.run(ground.report())
    assert drain_until(ground.settings, step) == KILLED, f"never came to {step}"
    assert asyncio.run(ground.finish()) == []


@pytest.mark.parametrize("step", REBUILD_STEPS, ids=str)
def test_a_rebuild_killed_at_a_step_is_begun_anew_by_the_next_drain(ground: Ground, step: Step) -> None:
    assert asyncio.run(ground.finish()) == []
    ground.flush()
    asyncio.run(ground.report())
    assert drain_until(ground.settings, step) == KILLED, f"never came to {step}"
    assert asyncio.run(ground.finish()) == []


@pytest.mark.parametrize(("step", "inbox"), RECEIVER_STEPS, ids=str)
def test_what_a_killed_receiver_did_not_acknowledge_counts_once_when_it_is_sent_again(
    ground: Ground, step: Step, inbox: bool
) -> None:
    body = ground.body(acked=True)
    assert receive_until(ground.settings, step, body, inbox=inbox) == KILLED, f"never came to {step}"

    async def send_again() -> None:
        async with ground.world() as world:
            await accept(world, body)

    asyncio.run(send_again())
    assert asyncio.run(ground.finish()) == []
