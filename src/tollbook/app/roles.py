"""The two server roles, each as one process: receivers over HTTP, and drains."""

import asyncio
import os
import signal
import sys
import tempfile
from typing import NoReturn

import msgspec
import uvicorn
import uvloop
from prometheus_client import start_http_server

from tollbook.app.config import Settings
from tollbook.app.door import Door
from tollbook.app.drains import Drains
from tollbook.app.observe import configure_logs
from tollbook.app.wiring import World

_WORKER_STOP_S = 10
_IDLE_S = 75
"""How long a connection may say nothing between two requests: longer than load balancers keep theirs."""
_WORKER_SILENT_S = 30
"""How long a worker among several may owe its supervisor a sign of life: a busy machine is no hung worker."""


def serve(settings: Settings) -> None:
    """Serve the API until a signal stops it; one worker among several that dies is started again."""
    settings.require_stores()
    if settings.workers > 1 and not settings.metrics_dir:
        restart_sharing_metrics(settings)
    settings.export()
    configure_logs(settings.log_level, settings.log_format)
    serve_http("tollbook.app.asgi:build", settings, factory=True)


def serve_http(application: str, settings: Settings, *, factory: bool) -> None:
    """Serve an ASGI application, named as `module:attribute`, as tollbook's own is served."""
    uvicorn.run(
        application,
        factory=factory,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http=Door,
        ws="none",
        lifespan="on",
        # Logs go the way of all others; who asked for what is not among them.
        log_config=None,
        access_log=False,
        # Nothing here looks at who connects, so nobody is believed who says so.
        proxy_headers=False,
        server_header=False,
        backlog=2_048,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=_WORKER_STOP_S,
        timeout_worker_healthcheck=_WORKER_SILENT_S,
    )


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
