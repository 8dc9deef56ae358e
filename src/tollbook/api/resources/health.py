"""`/healthz`, `/readyz`, `/metrics`: for whatever watches over the process. No key is asked."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import msgspec
from litestar import Response, get

import tollbook
from tollbook.api.asking import SECURITY, Who, World, reader
from tollbook.api.failures import problems
from tollbook.api.services import Backlog
from tollbook.domain.errors import StoreError
from tollbook.views.health import Health, health

Answer = TypeVar("Answer")

_PATIENCE_S = 2.0
_TAGS = ["operation"]
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    ok: bool


class StoreFacts(msgspec.Struct, frozen=True):
    """Whether a store took what it was asked to, and the code of the failure where it did not."""

    ok: bool
    code: str | None = None


class Readiness(msgspec.Struct, frozen=True):
    """Ready: keys are loaded and at least one store takes events."""

    ok: bool
    keys_loaded: bool
    valkey: StoreFacts
    postgres: StoreFacts


@get(
    "/v1/health",
    guards=[reader],
    security=SECURITY,
    tags=_TAGS,
    summary="How the system stands",
    responses=problems(400, 401, 403),
)
async def standing(services: World, principal: Who) -> Health:
    """Stores, what waits, prices, sources and hooks, and what needs attention; for keys bound to no tenant."""
    return await health(services, principal, tollbook.__version__)


@get("/healthz", tags=_TAGS, summary="Is the process up?")
async def healthz() -> Alive:
    """Answer without asking any store."""
    return Alive(True)


@get("/readyz", tags=_TAGS, summary="Can events be taken?")
async def readyz(services: World) -> Response[Readiness]:
    """Ask both stores; 200 while at least one takes events, else 503."""
    # now_ms appends to a stream: it fails where Valkey answers but takes no writes.
    valkey, postgres = await asyncio.gather(_ask(services.journal.now_ms(0)), _ask(services.config.version()))
    ready = services.directory.loaded and (valkey.ok or postgres.ok)
    facts = Readiness(ready, services.directory.loaded, valkey, postgres)
    return Response(facts, status_code=200 if ready else 503, headers={} if ready else {"retry-after": "1"})


@get("/metrics", tags=_TAGS, summary="Prometheus metrics", media_type=_PROMETHEUS)
async def metrics(services: World) -> bytes:
    """What has been recorded so far and what waits, in Prometheus's text format."""
    partitions = range(services.directory.tenancy.partitions) if services.directory.loaded else range(0)
    depths = await asyncio.gather(*(_patiently(services.journal.depth(partition)) for partition in partitions))
    inbox_s = await _patiently(services.reading.lag_s())
    return services.metrics.render(Backlog(dict(zip(partitions, depths, strict=True)), inbox_s))


async def _patiently(question: Awaitable[Answer]) -> Answer | None:
    """The answer, or None where the store does not give it in time."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await question
    except (StoreError, TimeoutError):
        return None


async def _ask(question: Awaitable[int]) -> StoreFacts:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await question
    except StoreError as failure:
        # The code alone: whoever may ask for readiness is not shown hosts and ports.
        return StoreFacts(False, failure.code)
    except TimeoutError:
        return StoreFacts(False, "timeout")
    return StoreFacts(True)
