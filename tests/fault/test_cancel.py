"""A drain that is told to stop does, wherever it is: one that runs on would keep its partition from everybody else."""

import asyncio
from random import Random

from tests.servers import own_database
from tollbook.app.config import Settings
from tollbook.app.wiring import World
from tollbook.embedded import PostgresServer
from tollbook.ledger.migrate import migrate

CANCELLATIONS = 250
END_S = 20.0


def test_a_cancelled_drain_ends_wherever_it_is(postgres_server: PostgresServer, valkey_url: str) -> None:
    async def run(postgres_url: str) -> None:
        await migrate(postgres_url, partitions=1)
        world = await World.open(Settings(postgres_url=postgres_url, valkey_url=valkey_url), books=True)
        random = Random("cancellations")
        try:
            for _ in range(CANCELLATIONS):
                draining = asyncio.create_task(world.drain(0).run())
                await asyncio.wait({draining}, timeout=random.random() * 0.05)
                draining.cancel()
                _, running = await asyncio.wait({draining}, timeout=END_S)
                assert not running, f"runs on after it was cancelled: {draining}"
        finally:
            await world.close()

    with own_database(postgres_server) as url:
        asyncio.run(run(url))
