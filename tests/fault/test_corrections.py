"""kill -9 of a real process between every two steps of what corrects: observations in the drain, and re-pricing."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from itertools import count
from typing import NamedTuple

import pytest

from tests.core_world import CROSSINGS
from tests.fault.dying import KILLED, Fate, Step, accept, drain_until, ends, prices
from tests.fault.test_steps import Ground
from tests.servers import empty_valkey, own_database
from tollbook.app.config import Settings
from tollbook.app.prices import price_cards
from tollbook.app.wiring import World
from tollbook.embedded import PostgresServer, ValkeyServer
from tollbook.ledger.migrate import migrate
from tollbook.ledger.repricing import PostgresRepricing
from tollbook.pipeline.equations import Equation, Outcome
from tollbook.pipeline.reprice import Reprice, RepriceSettings
from tollbook.ports.prices import KeptBook
from tollbook.ports.reprice import Range
from tollbook.pricing.quote import Quote, TokenCounts, TokenRates

MODEL = "claude-opus-4-7"
NANOS_OF_1000_IN = 5_000_000
DRAIN_STEPS = [
    *(Step("crossing", name, nth) for name, nth in zip(CROSSINGS, (2, 1, 3, 1, 2), strict=True)),
    *(Step(when, f"ledger._booking.{name}", nth) for when, name, nth in (
        ("before", "_judge", 1), ("after", "_judge", 1), ("before", "_void", 1), ("after", "_void", 1),
        ("after", "_add_up", 2), ("after", "_add_up", 3), ("after", "_close", 2),
    )),
]  # fmt: skip
REPRICE_STEPS = [
    Step("after", "repricing.page", 2), Step("before", "repricing.reprice", 2),
    Step("before", "repricing._booking._add_up", 2), Step("after", "repricing._booking._add_up", 2),
    Step("before", "repricing._booking._close", 2), Step("after", "repricing._booking._close", 2),
    Step("after", "repricing.reprice", 2),
]  # fmt: skip


class Seen:
    """Calls as three observers and an aggregate report them, and what they must come to."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._numbers = count()
        self.calls = 0
        self.nanos_each = NANOS_OF_1000_IN
        self.times = count(2)

    @property
    def settings(self) -> Settings:
        return self._ground.settings

    def world(self) -> AbstractAsyncContextManager[World]:
        return self._ground.world()

    async def report(self) -> None:
        """Two calls of 1,000 input tokens by the best observer, of more or fewer by the others; a repeat of one."""
        async with self.world() as world:
            for number in (next(self._numbers), next(self._numbers)):
                self.calls += 1
                bodies = [self._body(number, *seen) for seen in OBSERVED]
                for body in (*bodies, bodies[number % len(bodies)]):
                    await accept(world, body, inbox=number % 2 == 1)

    def _body(self, number: int, observed: str, source: str, agent: str, tokens: int) -> bytes:
        named = (
            {"id": f"turn-{number}"} if observed == "aggregate" else {"response_id": f"msg_{number:06}XFDUDYJgAACzvnp"}
        )
        said = {"tenant": "acme", "agent": agent, "model": MODEL, "input": tokens, "output": 0, "source": source}
        return json.dumps(said | named | {"observed": observed, "group": f"turn-{number}"}).encode()

    async def check_drained(self) -> list[Equation]:
        """Drain what is left, and verify."""
        async with self.world() as world:
            draining = asyncio.create_task(world.drain(0).run())
            try:
                async with asyncio.timeout(60):
                    while await self._waits(world):
                        await world.clock.pause(0.02)
                    return await world.verify().run([0])
            finally:
                draining.cancel()
                await asyncio.gather(draining, return_exceptions=True)

    async def check(self) -> None:
        """Every call costs its best observation once, for whoever knew its agent."""
        equations = await self.check_drained()
        async with self.world() as world:
            assert [one for one in equations if one.outcome is Outcome.DIFFERS] == []
            rows = await self._rows(world, "SELECT agent, calls, cost_nanos FROM rollup_hour WHERE calls <> 0")
            sums = {agent: 0 for agent, _, _ in rows}
            for agent, calls, nanos in rows:
                assert nanos == calls * self.nanos_each
                sums[agent] += calls
            assert sums == {"planner": self.calls}

    async def _waits(self, world: World) -> bool:
        waiting = await self._rows(world, "SELECT count(*) FROM inbox")
        standing, audit = await world.ledger.standing(0), await world.journal.audit(0, [], 10_000)
        return bool(waiting[0][0] or audit.records or audit.fence != standing.version)

    async def _rows(self, world: World, query: str) -> list[tuple[object, ...]]:
        async with world.pool.acquire() as connection:
            return [tuple(row) for row in await connection.fetch(query)]


OBSERVED = [
    ("aggregate", "otel", "planner", 4_000), ("leaf", "otel", "planner", 900), ("sdk", "sdk", "planner", 950),
    ("gateway", "litellm", "unknown", 1_000),
]  # fmt: skip


@pytest.fixture(scope="module")
def seen(postgres_server: PostgresServer, valkey_server: ValkeyServer) -> Iterator[Seen]:
    empty_valkey(valkey_server)
    with own_database(postgres_server) as url:
        asyncio.run(migrate(url, partitions=1))
        ground = Ground(url, valkey_server)

        async def store() -> None:
            async with ground.world() as world:
                book = prices()
                await world.prices.keep(KeptBook(book.digest, book.version, None, ""), price_cards(book))

        asyncio.run(store())
        yield Seen(ground)


@pytest.mark.parametrize("step", DRAIN_STEPS, ids=str)
def test_a_drain_killed_over_corrections_leaves_work_that_the_next_one_finishes(seen: Seen, step: Step) -> None:
    asyncio.run(seen.report())
    assert drain_until(seen.settings, step) == KILLED, f"never came to {step}"
    asyncio.run(seen.check())


class Dearer:
    """The price book of a day on which everything costs some times as much."""

    def __init__(self, times: int) -> None:
        self._times = times

    def rates(
        self, provider: str | None, model: str, service_tier: str | None, at: datetime, **more: object
    ) -> "DearerRates":
        return DearerRates(prices().rates(provider, model, service_tier, at), self._times)


class DearerRates:
    """Rates of that day."""

    def __init__(self, rates: TokenRates, times: int) -> None:
        self._rates = rates
        self._times = times
        self.price_id = rates.price_id
        self.flags = rates.flags

    def cost_nanos(self, counts: TokenCounts, units: Mapping[str, int] | None = None) -> int:
        return self._times * self._rates.cost_nanos(counts, units)

    def quote(self, counts: TokenCounts, units: Mapping[str, int] | None = None) -> Quote:
        return Quote(self.cost_nanos(counts, units), self.price_id, self.flags)


class Repricer(NamedTuple):
    """Where a step finds the parts of a re-pricing."""

    repricing: PostgresRepricing


async def reprice(settings: Settings, times: int, step: Step | None) -> int:
    """Re-price everything, a few entries a page; how many were written."""
    world = await World.open(settings, books=True)
    try:
        repricing = PostgresRepricing(world.pool, world.queries)
        if step is not None:
            Fate(step).await_call(Repricer(repricing))
        page = RepriceSettings(page_entries_max=5)
        use = Reprice(repricing, Dearer(times), world.clock, limits=world.intake_limits(), settings=page)
        now = world.clock.now()
        within = Range(now - timedelta(days=2), now + timedelta(days=1))
        return sum([page.written async for page in use.run(0, within)])
    finally:
        await world.close()


def _reprice(settings: Settings, times: int, step: Step) -> None:
    asyncio.run(reprice(settings, times, step))


@pytest.mark.parametrize("step", REPRICE_STEPS, ids=str)
def test_a_repricing_killed_at_a_step_is_finished_by_the_next(seen: Seen, step: Step) -> None:
    for _ in range(6):
        asyncio.run(seen.report())
    asyncio.run(seen.check_drained())
    times = next(seen.times)
    assert ends(_reprice, seen.settings, times, step) == KILLED, f"never came to {step}"
    finished = asyncio.run(reprice(seen.settings, times, None))
    assert 0 < finished < seen.calls
    assert asyncio.run(reprice(seen.settings, times, None)) == 0
    seen.nanos_each = NANOS_OF_1000_IN * times
    asyncio.run(seen.check())
