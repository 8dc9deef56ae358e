"""The drain role: claims partitions and drains each until its claim is gone."""

import asyncio
from functools import partial

from tollbook.app.polling import polling
from tollbook.app.supervise import supervise, together
from tollbook.app.wiring import World
from tollbook.domain.errors import LedgerUnavailable, StoreError
from tollbook.ledger.ownership import Ownership, ownership
from tollbook.ledger.queries import Queries
from tollbook.telemetry import StoreTrouble

_CLAIM_S = 0.5
_ROOM_S = 3_600.0
_RETRY_S = 1.0


class Drains:
    """The drains of one process."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._running: dict[int, list[asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Follow the configuration, make room in the ledger, and drain what can be claimed, until cancelled."""
        world = self._world
        loops = {
            "directory": world.directory.run,
            "limits": world.limits.run,
            "room": self._room,
            "spans": self._span_room,
            "claims": self._claims,
            "deliveries": self._deliveries,
            "sources": self._sources,
        }
        await together(*(supervise(name, loop, world.clock, world.metrics) for name, loop in loops.items()))

    async def _room(self) -> None:
        """Partitions of the ledger's tables stand ready before anything needs them."""
        while True:
            try:
                await self._world.ledger.make_room(self._world.clock.now())
                await self._measure()
            except StoreError as trouble:
                self._world.metrics.record(StoreTrouble("postgres", "room is made later", str(trouble)))
                await self._world.clock.pause(_RETRY_S)
            else:
                await self._world.clock.pause(_ROOM_S)

    async def _span_room(self) -> None:
        """Partitions for spans stand ready, and those behind the retention go."""
        while True:
            world = self._world
            try:
                await world.spans.make_span_room(world.clock.now(), world.settings.span_keep_days)
            except StoreError as trouble:
                world.metrics.record(StoreTrouble("postgres", "room for spans is made later", str(trouble)))
                await world.clock.pause(_RETRY_S)
            else:
                await world.clock.pause(_ROOM_S)

    async def _measure(self) -> None:
        """Say so where the database nears what its provider grants: at the limit it would be shut."""
        warn_mb = self._world.settings.postgres_size_warn_mb
        size_mb = await self._world.ledger.size() / 1_000_000 if warn_mb else 0
        if warn_mb and size_mb >= warn_mb:
            detail = f"{size_mb:.1f} MB of {warn_mb} MB: docs/sources/instanode.md says what can be dropped"
            self._world.metrics.record(StoreTrouble("postgres", "the database is nearly full", detail))

    async def _claims(self) -> None:
        settings = self._world.settings
        if settings.drain_claims == "none":
            await self._take_all()
        while True:
            try:
                async with ownership(settings.postgres_url, Queries(), settings.postgres_timeout_s) as claims:
                    await self._hold(claims)
            except LedgerUnavailable as trouble:
                self._world.metrics.record(StoreTrouble("postgres", "partitions are claimed later", str(trouble)))
            finally:
                await self._stop()
            await self._world.clock.pause(_CLAIM_S)

    async def _take_all(self) -> None:
        """Drain every partition without a session for claims, which may be one connection more than there is."""
        world = self._world
        try:
            while True:
                if world.directory.loaded:
                    for partition in range(world.directory.tenancy.partitions):
                        if partition not in self._running:
                            self._start(partition)
                await world.clock.pause(_CLAIM_S)
        finally:
            await self._stop()

    async def _hold(self, claims: Ownership) -> None:
        world = self._world
        while True:
            if world.directory.loaded:
                for partition in range(world.directory.tenancy.partitions):
                    room = len(self._running) < world.settings.drain_partitions_max
                    if room and partition not in self._running and await claims.claim(partition):
                        self._start(partition)
            await claims.check()
            await world.clock.pause(_CLAIM_S)

    def _start(self, partition: int) -> None:
        world = self._world
        loops = {
            f"drain-{partition}": self._drain,
            f"alerts-{partition}": self._raise,
            f"rollups-{partition}": self._follow,
        }
        self._running[partition] = [
            asyncio.create_task(supervise(name, partial(loop, partition), world.clock, world.metrics), name=name)
            for name, loop in loops.items()
        ]

    async def _drain(self, partition: int) -> None:
        # A drain that failed starts anew: whatever it had read is read again from the journal's head.
        await self._world.drain(partition).run()

    async def _raise(self, partition: int) -> None:
        await self._world.raiser(partition).run()

    async def _follow(self, partition: int) -> None:
        await self._world.follower(partition).run()

    async def _deliveries(self) -> None:
        await self._world.deliverer().run()

    async def _sources(self) -> None:
        async with polling(self._world) as poller:
            await poller.run()

    async def _stop(self) -> None:
        running, self._running = self._running, {}
        tasks = [task for started in running.values() for task in started]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
