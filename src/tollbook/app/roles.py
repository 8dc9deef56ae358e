"""The two server roles, each as one process: receivers over HTTP, and drains."""

import asyncio
import os
import signal
import sys
import tempfile
from typing import NoReturn

import msgspec
import uvloop
from granian import Granian
from granian.constants import Interfaces, Loops
from granian.log import LogLevels
from prometheus_client import start_http_server

from tollbook.app.config import Settings
from tollbook.app.drains import Drains
from tollbook.app.observe import configure_logs
from tollbook.app.wiring import World

_WORKER_STOP_S = 10


def serve(settings: Settings) -> None:
    """Serve the API until a signal stops it; a worker that dies is started again."""
    settings.require_stores()
    if settings.workers > 1 and not settings.metrics_dir:
        restart_sharing_metrics(settings)
    settings.export()
    Granian(
        "tollbook.app.asgi:build",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        loop=Loops.uvloop,
        log_level=LogLevels.warning,
        backlog=2_048,
        respawn_failed_workers=True,
        # A worker that is asked to end while it still starts does not hear it.
        workers_kill_timeout=_WORKER_STOP_S,
        websockets=False,
    ).serve()


def restart_sharing_metrics(settings: Settings) -> NoReturn:
    """Start this process anew with a directory for the metrics of all its workers.

    The Prometheus client decides how it counts when it is imported, and that was before the settings were read.
    """
    shared = msgspec.structs.replace(settings, metrics_dir=tempfile.mkdtemp(prefix="tollbook-metrics-"))
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], shared.environment())  # noqa: S606 - ourselves


def drain(settings: Settings) -> None:
    """Drain until a signal stops it."""
    settings.require_stores()
    configure_logs(settings.log_level, settings.log_format)
    uvloop.run(_drain(settings))


async def _drain(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    world = await World.open(settings, books=True)
    await world.require_keys()
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.host, world.metrics.registry)
    draining = asyncio.create_task(Drains(world).run(), name="drains")
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({draining, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        draining.cancel()
        await asyncio.gather(draining, return_exceptions=True)
        await world.close()
