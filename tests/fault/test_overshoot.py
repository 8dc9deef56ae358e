"""Strict budgets while Valkey is killed, and while all it knows is lost and rebuilt: not a nano-dollar too much."""

import contextlib
import threading
from collections.abc import Iterator

import pytest
import redis

from tests.budgets import USD, budget, set_budgets
from tests.integration.gate.agents import SMALLEST, Fleet, Spending, spend
from tests.world import NANOS_PER_TOKEN, World
from tollbook.domain.errors import JournalUnavailable, StoreError
from tollbook.domain.meter import ScopeKind, WindowKind
from tollbook.embedded import ValkeyServer
from tollbook.enforcement.asks import TTL_MS_MAX

AGENTS = 1_000
PROCESSES = 4
# The run's budget, since the day of a test that moves the store's clock may end meanwhile.
RUN = "task-9"
# Several times what a thousand calls under way can cost, so that there is work left whenever something happens.
LIMIT = 12 * USD
SMALLEST_NANOS = sum(SMALLEST) * NANOS_PER_TOKEN


class Storm:
    """A drain beside a fleet that spends, and what happens to their Valkey meanwhile."""

    def __init__(self, world: World, valkey: ValkeyServer, fleet: Spending) -> None:
        self._world = world
        self._valkey = valkey
        self._fleet = fleet
        self._partition = world.directory.tenancy.partition_of("acme")

    def spent_nanos(self) -> int:
        """What the ledger has."""
        return int(self._world.run(self._world.pool.fetchval("SELECT coalesce(sum(cost_nanos), 0)::bigint FROM entry")))

    def drain_until(self, nanos: int) -> None:
        """Drain until so much is spent, or nobody spends any more."""
        while self._fleet.at_work and self.spent_nanos() < nanos:
            self.step()

    def step(self) -> None:
        """What a drain does all the time, whatever state Valkey is in."""
        with contextlib.suppress(JournalUnavailable):
            self._world.run(self._world.journal.wait(self._partition, "", 50))
        with contextlib.suppress(StoreError):
            self._world.run(self._drain_some())

    async def _drain_some(self) -> None:
        """One transaction of each partition: until nothing waits it may take as long as somebody spends."""
        for drain in self._world.drains.values():
            await drain.tick()
            await drain.step()
            await drain.settled()

    def kill(self) -> None:
        """Valkey dies, and comes back with what its file holds."""
        self._valkey.kill()
        for _ in range(3):
            self.step()
        self._valkey.restart()

    def lose(self) -> None:
        """Valkey forgets everything. Strict calls then wait for as long as a hold of before may live.

        The store's clock is moved on by that time, once no call of before is under way any more: strict rests on
        calls being reported before their holds end.
        """
        with redis.Redis.from_url(self._valkey.url) as client:
            client.flushall()
        halting = threading.Thread(target=self._fleet.halt)
        halting.start()
        while halting.is_alive() or not self._world.run(self._world.journal.complete(self._partition)):
            self.step()
        self._world.run(self._pass_time(TTL_MS_MAX))
        self._fleet.go_on()

    async def _pass_time(self, ms: int) -> None:
        later = await self._world.journal.now_ms(self._partition) + ms
        await self._world.store.xadd(self._world.keys.of(self._partition, "clock"), {"x": "1"}, id=f"{later}-0")


@pytest.fixture
def world(postgres_url: str, valkey_url: str, valkey_prefix: str) -> Iterator[World]:
    built = World(postgres_url, valkey_url, valkey_prefix)
    yield built
    built.close()


@pytest.mark.timeout(600)
def test_a_thousand_agents_and_a_valkey_that_is_killed_and_emptied(
    world: World, postgres_url: str, valkey_server: ValkeyServer, valkey_prefix: str
) -> None:
    run = budget(LIMIT, "run", scope=ScopeKind.RUN, match=RUN, window=WindowKind.RUN)
    set_budgets(world, budget(1_000 * USD), run)
    world.drain()
    fields = {"postgres_url": postgres_url, "valkey_url": valkey_server.url, "prefix": valkey_prefix}
    agents = {"agents": AGENTS // PROCESSES, "run": RUN, "outlives_losses": True}
    with spend([Fleet(**fields, **agents, seed=seed) for seed in range(PROCESSES)]) as fleet:
        storm = Storm(world, valkey_server, fleet)
        for happens in (storm.lose, storm.kill, storm.lose, storm.kill):
            storm.drain_until(storm.spent_nanos() + 1)
            assert fleet.at_work, "spent before anything happened"
            happens()
        storm.drain_until(LIMIT * 2)
        spent = fleet.spent()
    world.drain()
    total = storm.spent_nanos()
    print(f"{sum(one.calls for one in spent)} calls, {LIMIT - total} nano-dollars left; {spent}")
    assert total == sum(one.tokens for one in spent) * NANOS_PER_TOKEN, "each call is in the ledger, once"
    assert total <= LIMIT
    assert LIMIT - total < SMALLEST_NANOS
