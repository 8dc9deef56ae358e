"""kill -9 of a raiser and of a deliverer between every two steps: each alert once, each delivery at least once."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest

from tests.fault.dying import KILLED, Fate, Step, accept, ends
from tests.hook_server import Receiver, receiver
from tests.servers import empty_valkey, own_database
from tollbook.alerting.delivery import Deliverer, DeliverySettings
from tollbook.alerting.hook import mint_hook
from tollbook.alerting.raising import Raiser, RaiserSettings
from tollbook.app.config import Settings
from tollbook.app.wiring import World
from tollbook.embedded import PostgresServer, ValkeyServer
from tollbook.ledger.migrate import migrate
from tollbook.ports.alerts import AlertRow

LEASE = timedelta(seconds=1)

RAISER_STEPS = [
    Step("after", "alerts.waits"),
    Step("crossing", "raised"),
    Step("crossing", "committed"),
]
DELIVERER_STEPS = [
    *(Step("crossing", name) for name in ("claimed", "sent", "marked")),
    Step("after", "alerts.claim"),
    Step("before", "alerts.delivered"),
    Step("after", "alerts.delivered"),
]


class Ground:
    """One ledger; each test has a tenant of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.names = iter(range(1_000))

    @asynccontextmanager
    async def world(self) -> AsyncIterator[World]:
        """The product's own parts."""
        world = await World.open(self.settings, books=True)
        try:
            await world.directory.refresh()
            yield world
        finally:
            await world.close()

    async def spend(self, tenant: str, url: str) -> str:
        """Spend all of a tenant's limit, with a hook that hears of it; the hook's secret."""
        async with self.world() as world:
            now = world.clock.now()
            _, secret = await mint_hook(world.alerts, url, tenant=tenant, kinds=(), by="test", now=now)
            await world.config.set_limit(tenant, 1, "test")
            call = {"tenant": tenant, "agent": "a", "model": "gpt-4o-mini", "input": 1000, "output": 10}
            await accept(world, json.dumps(call).encode())
            drain = world.drain(0)
            while await drain.step():
                pass
            await drain.settled()
        return secret

    async def finish(self, tenant: str) -> list[AlertRow]:
        """Raise and deliver with processes that live; every alert of the tenant."""
        async with self.world() as world:
            await raiser(world).step()
            deliverer = world.deliverer()
            async with asyncio.timeout(60):
                while any(each.state == "pending" for row in await _rows(world, tenant) for each in row.deliveries):
                    await deliverer.begin()
                    await deliverer.settled()
                    await world.clock.pause(0.05)
            return await _rows(world, tenant)


async def _rows(world: World, tenant: str) -> list[AlertRow]:
    return await world.alerts.alerts(tenant, None, 100)


def raiser(world: World, fate: Fate | None = None) -> Raiser:
    """The raiser of the only partition, which may die."""
    parts = (world.alerts, world.clock, world.metrics, lambda: world.directory.tenancy)
    more = {} if fate is None else {"crossing": fate.crossing}
    return Raiser(0, *parts, settings=RaiserSettings(), **more)


def _raise(settings: Settings, step: Step) -> None:
    async def run() -> None:
        world = await World.open(settings)
        await world.directory.refresh()
        fate = Fate(step)
        fate.await_call(world)
        await raiser(world, fate).run()

    asyncio.run(run())


def _deliver(settings: Settings, step: Step) -> None:
    async def run() -> None:
        world = await World.open(settings)
        fate = Fate(step)
        fate.await_call(world)
        short = DeliverySettings(lease=LEASE)
        parts = (world.alerts, world.sender, world.clock, world.metrics)
        await Deliverer(*parts, settings=short, crossing=fate.crossing).run()

    asyncio.run(run())


@pytest.fixture(scope="module")
def ground(postgres_server: PostgresServer, valkey_server: ValkeyServer) -> Iterator[Ground]:
    empty_valkey(valkey_server)
    with own_database(postgres_server) as url:
        asyncio.run(migrate(url, partitions=1))
        settings = Settings(postgres_url=url, valkey_url=valkey_server.url)
        yield Ground(msgspec.structs.replace(settings, alert_private_networks="127.0.0.0/8"))


@pytest.fixture
def tenant(ground: Ground) -> str:
    return f"tenant-{next(ground.names)}"


@pytest.fixture
def hook_server() -> Iterator[Receiver]:
    with receiver() as built:
        yield built


KINDS = ["budget.threshold"] * 3 + ["throttle.set"]


@pytest.mark.parametrize("step", RAISER_STEPS, ids=str)
def test_a_raiser_killed_at_a_step_raises_each_alert_once(
    ground: Ground, tenant: str, hook_server: Receiver, step: Step
) -> None:
    secret = asyncio.run(ground.spend(tenant, hook_server.url))
    assert ends(_raise, ground.settings, step) == KILLED, f"never came to {step}"
    rows = asyncio.run(ground.finish(tenant))
    assert sorted(row.kind for row in rows) == KINDS
    assert sorted(came.alert_id for came in hook_server.came) == sorted(row.alert_id for row in rows)
    assert {came.verified(secret)["data"]["tenant"] for came in hook_server.came} == {tenant}


@pytest.mark.parametrize("step", DELIVERER_STEPS, ids=str)
def test_a_deliverer_killed_at_a_step_delivers_under_the_same_id(
    ground: Ground, tenant: str, hook_server: Receiver, step: Step
) -> None:
    """Before the send nothing was lost, after it the hook may hear twice, of an id it can tell."""
    secret = asyncio.run(ground.spend(tenant, hook_server.url))

    async def raised() -> None:
        async with ground.world() as world:
            assert len(await raiser(world).step()) == len(KINDS)

    asyncio.run(raised())
    assert ends(_deliver, ground.settings, step) == KILLED, f"never came to {step}"
    rows = asyncio.run(ground.finish(tenant))
    assert sorted(row.kind for row in rows) == KINDS
    assert {came.alert_id for came in hook_server.came} == {row.alert_id for row in rows}
    assert {each.state.value for row in rows for each in row.deliveries} == {"delivered"}
    bodies = {(came.alert_id, came.body) for came in hook_server.came}
    assert len(bodies) == len(rows)
    assert all(came.verified(secret) for came in hook_server.came)
    if step in (Step("crossing", "sent"), Step("before", "alerts.delivered")):
        assert len(hook_server.came) > len(rows)
