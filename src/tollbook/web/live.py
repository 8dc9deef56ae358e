"""Live pages: one look for all viewers of one address with the same rights, told as server-sent events."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

import msgspec
from litestar.response import ServerSentEvent, ServerSentEventMessage

from tollbook.domain.errors import StoreError
from tollbook.telemetry import LoopFailed, StoreTrouble
from tollbook.web.refusing import Refusal
from tollbook.web.session import PageRequest, Viewer, viewer_by_key, viewer_of
from tollbook.web.site import Site

_LOOK_S = 0.75
_ANYWAY_S = 10.0
"""Forecasts, rates and what waits move with the clock, also where nothing is booked."""
_REST = 2.0
"""Looks take a third of the time at most: each is followed by a pause of at least this many times its length."""
_COMMENT_S = 10.0
_VIEWERS_MAX = 500
"""In one process; each costs a connection."""

Regions = dict[str, str]
Render = Callable[[], Awaitable[Regions]]


class Hub:
    """Everybody who looks at a live page of this process."""

    def __init__(self, site: Site, *, anyway_s: float = _ANYWAY_S) -> None:
        self._site = site
        self._anyway_s = anyway_s
        self._open: dict[object, _Seen] = {}
        self._viewers = 0

    def require_room(self) -> None:
        """Raise a 503 where another viewer is one too many."""
        if self._viewers >= _VIEWERS_MAX:
            raise Refusal(503, "overloaded", f"{_VIEWERS_MAX} viewers are told by this process")

    async def states(self, key: object, render: Render) -> AsyncGenerator[Regions | None, None]:
        """All regions at once, then those that differ whenever some do; None where nothing could be seen."""
        seen = self._open.get(key)
        if seen is None:
            seen = self._open[key] = _Seen()
            seen.looking = asyncio.create_task(self._look_on(seen, render), name="live")
            seen.looking.add_done_callback(self._ended)
        self._viewers += 1
        seen.viewers += 1
        known: Regions = {}
        told = 0
        try:
            while True:
                async with seen.changed:
                    await seen.changed.wait_for(lambda told=told: seen.count != told)  # type: ignore[misc]
                    told, regions = seen.count, seen.regions
                if regions is None:
                    yield None
                    continue
                fresh = {name: text for name, text in regions.items() if known.get(name) != text}
                known = regions
                yield fresh
        finally:
            self._viewers -= 1
            seen.viewers -= 1
            if seen.viewers == 0:
                if self._open.get(key) is seen:
                    del self._open[key]
                if seen.looking is not None:
                    seen.looking.cancel()

    async def close(self) -> None:
        """Stop looking."""
        tasks = [seen.looking for seen in self._open.values() if seen.looking is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, looking: asyncio.Task[None]) -> None:
        """Say so where a look came upon a defect; its viewers hear nothing more until they call anew."""
        if looking.cancelled() or looking.exception() is None:
            return
        self._site.telemetry.record(LoopFailed("live", repr(looking.exception())))
        for key in [key for key, seen in self._open.items() if seen.looking is looking]:
            del self._open[key]

    async def _look_on(self, seen: "_Seen", render: Render) -> None:
        clock, site = self._site.clock, self._site
        known: object = None
        looked_at = clock.monotonic()
        while seen.viewers > 0:
            began = clock.monotonic()
            try:
                pulse = await site.fleet.pulse()
                if pulse == known and began - looked_at < self._anyway_s:
                    await clock.pause(_LOOK_S)
                    continue
                regions: Regions | None = await render()
                known, looked_at = pulse, began
            except (StoreError, Refusal) as trouble:
                site.telemetry.record(StoreTrouble("postgres", "open pages are told later", str(trouble)))
                regions, known = None, None
            if regions != seen.regions or seen.count == 0:
                async with seen.changed:
                    seen.regions, seen.count = regions, seen.count + 1
                    seen.changed.notify_all()
            await clock.pause(max(_LOOK_S, _REST * (clock.monotonic() - began)))


class _Seen:
    """One address as some viewers see it: its regions, and how often they changed."""

    def __init__(self) -> None:
        self.changed = asyncio.Condition()
        self.regions: Regions | None = None
        self.count = 0
        self.viewers = 0
        self.looking: asyncio.Task[None] | None = None


def told(request: PageRequest, viewer: Viewer, render: Render) -> ServerSentEvent:
    """The events of a page: `regions` with what differs, `still` while stores are away, `end` once the session is."""
    hub: Hub = request.app.state.hub
    hub.require_room()
    key = (str(request.url), viewer.sight)
    return ServerSentEvent(_events(request, hub.states(key, render)), headers={"cache-control": "no-store"})


async def _events(
    request: PageRequest, states: AsyncGenerator[Regions | None, None]
) -> AsyncIterator[ServerSentEventMessage]:
    waiting: asyncio.Future[Regions | None] = asyncio.ensure_future(anext(states))
    try:
        while True:
            done, _ = await asyncio.wait({waiting}, timeout=_COMMENT_S)
            if not await _still_signed_in(request):
                yield ServerSentEventMessage(event="end", data="signed out")
                return
            if not done:
                yield ServerSentEventMessage(comment="still here")
                continue
            regions = waiting.result()
            if regions is None:
                yield ServerSentEventMessage(event="still", data="a store is away")
            else:
                yield ServerSentEventMessage(event="regions", data=msgspec.json.encode(regions).decode())
            waiting = asyncio.ensure_future(anext(states))
    finally:
        waiting.cancel()
        await asyncio.wait({waiting})
        await states.aclose()


async def _still_signed_in(request: PageRequest) -> bool:
    """Whether the session is in force yet; one that cannot be looked up goes on until it can."""
    site: Site = request.app.state.site
    authorization = request.headers.get("authorization")
    try:
        if authorization is None:
            await viewer_of(site, request)
        else:
            viewer_by_key(site, authorization)
    except StoreError:
        return True
    except Refusal:
        return False
    return True
