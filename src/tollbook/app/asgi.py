"""The receiver role as an ASGI application."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from tollbook.api.bare import Receive, Scope, Send
from tollbook.api.front import Front
from tollbook.api.services import Services
from tollbook.app.config import Settings
from tollbook.app.durability import ack_for
from tollbook.app.garbage import spare_collector
from tollbook.app.mappings import load_mappings
from tollbook.app.observe import configure_logs
from tollbook.app.site import SiteApp
from tollbook.app.supervise import supervise, together
from tollbook.app.wiring import World
from tollbook.domain.errors import TollbookError
from tollbook.ledger.reading import PostgresReading
from tollbook.ledger.sessions import PostgresSessions
from tollbook.views.fleet import FleetView
from tollbook.views.tenant import TenantView
from tollbook.web.site import Site

_ACK_ASKED_S = 2.0


class Receiver:
    """One receiver process, from its lifespan's start to its end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._world: World | None = None
        self._front: SiteApp | None = None
        self._loops: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif self._front is not None:
            await self._front(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self._start()
                except TollbookError as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self._stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _start(self) -> None:
        end_with_parent()
        configure_logs(self._settings.log_level, self._settings.log_format)
        world = self._world = await World.open(self._settings)
        await world.require_keys()
        keeper = world.price_keeper()
        book = await keeper.open()
        services = Services(
            directory=world.directory,
            intake=world.intake(),
            resolver=(resolver := world.resolver(book)),
            journal=world.journal,
            received=world.received,
            config=world.config,
            budgets=world.limits,
            reading=(reading := PostgresReading(world.pool, world.queries)),
            fleet=FleetView(reading, world.views, world.journal, world.directory, world.clock),
            alerts=world.alerts,
            clock=world.clock,
            telemetry=world.metrics,
            metrics=world.metrics,
            limits=world.intake_limits(),
            gate=(gate := world.gate(book)),
            watch=world.watch(gate),
            prices=keeper,
            mappings=load_mappings(self._settings.mappings_dir),
            traces=world.traces(),
            spans=world.spans,
            statements=world.statements(),
            periods=world.closing(),
            finding=world.finding,
            changes=world.changes,
            refusals=world.refusal_store,
            sources=world.sources,
            price_store=world.prices,
            metrics_alone=self._settings.otel_metrics == "all",
            ack=await ack_for(self._settings, world.store),
        )
        keeper.follow(resolver.price_by)
        keeper.follow(gate.price_by)
        file = self._settings.handouts_file
        front = Front(services, handouts=Path(file) if file else None)
        self._front = SiteApp(front, site_of(world, services))
        loops: dict[str, Callable[[], Awaitable[None]]] = {
            "directory": world.directory.run,
            "prices": keeper.run,
            "refusals": world.refusals.run,
            "ack": partial(follow_ack, world, services),
        }
        self._loops = asyncio.create_task(self._follow(world, loops), name="receiver-loops")
        spare_collector()

    async def _follow(self, world: World, loops: dict[str, Callable[[], Awaitable[None]]]) -> None:
        await together(*(supervise(name, loop, world.clock, world.metrics) for name, loop in loops.items()))

    async def _stop(self) -> None:
        if self._loops is not None:
            self._loops.cancel()
            await asyncio.gather(self._loops, return_exceptions=True)
        if self._front is not None:
            await self._front.close()
        if self._world is not None:
            await self._world.close()


def site_of(world: World, services: Services) -> Site:
    """The world of the pages, which read what the API reads."""
    return Site(
        directory=services.directory,
        sessions=PostgresSessions(world.pool, world.queries),
        reading=services.reading,
        fleet=services.fleet,
        tenant=TenantView(
            services.reading,
            world.views,
            services.alerts,
            finding=services.finding,
            watch=services.watch,
            directory=services.directory,
            clock=services.clock,
        ),
        alerts=services.alerts,
        clock=services.clock,
        telemetry=services.telemetry,
        config=services.config,
        budgets=services.budgets,
        finding=services.finding,
        changes=services.changes,
        refusals=services.refusals,
        sources=services.sources,
        spans=services.spans,
        price_store=services.price_store,
        prices=services.prices,
        gate=services.gate,
        journal=services.journal,
    )


def end_with_parent() -> None:
    """End this worker where the server that forked it is gone; do nothing outside such a worker.

    A killed server leaves its workers listening beside those of the next one, under the settings of before.
    """
    server = multiprocessing.parent_process()
    if server is None:
        return
    loop, sentinel = asyncio.get_running_loop(), server.sentinel

    def ended() -> None:
        loop.remove_reader(sentinel)
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(sentinel, ended)


async def follow_ack(world: World, services: Services) -> None:
    """Ask now and then what this Valkey survives: it may have been away when the receiver started, or be another."""
    while True:
        await world.clock.pause(_ACK_ASKED_S)
        services.ack = await ack_for(world.settings, world.store, services.ack)


def build() -> Receiver:
    """What the HTTP server loads in each of its workers."""
    return Receiver(Settings.from_environment())
