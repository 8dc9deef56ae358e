"""Sources that have to be fetched: an inbox that forgets, taken oldest first, each stored request once.

The inbox is newest first, unpaged, and deletes nothing when it is read; it drops its oldest request when it is full. So
every poll reads all of it, leaves what is done with, and takes the rest in the order it came. What is done with is kept
in Postgres. A crash between the ledger's commit and that note reads a request again, which counts nothing: an event is
known by its own id, else by the id of the stored request.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import parse_qs

from tollbook.domain.errors import RequestError, StoreError
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.source import Inbox, Source, SourceState, Stored
from tollbook.ingest.mapping import MappingBook
from tollbook.ingest.origin import origin_of
from tollbook.ingest.registry import webhook_dialect
from tollbook.pipeline.accept import Intake
from tollbook.pipeline.judging import judged
from tollbook.pipeline.resolve import Resolver, Sender
from tollbook.ports.clock import Clock
from tollbook.ports.sources import InboxReader, Polled, SourceStore, Taken
from tollbook.telemetry import Rejected, SourceGap, SourcePolled, StoreTrouble, Telemetry, Unpriced

_BODY_KEPT_CHARS = 65_536
_KNOWN_KEPT = timedelta(days=35)
_FORGET_S = 3_600.0
_RETRY_S = 1.0


class PollSettings(NamedTuple):
    """How often an inbox is read: between `fastest_s` and `slowest_s` apart, sooner as it fills.

    `fill_ratio` is how full of new requests a reading should find it; half of what it keeps leaves as much again for a
    burst. `lease_s` is how long a drain that died keeps a source from the others.
    """

    fastest_s: float = 1.0
    slowest_s: float = 30.0
    fill_ratio: float = 0.25
    away_s: float = 60.0
    lease_s: float = 90.0
    leases_s: float = 2.0


Gap = Callable[[Source, str], Awaitable[None]]
"""Called where requests may have been lost, so that somebody hears of it."""


class Poller:
    """Polls the sources that it has leases of."""

    def __init__(
        self,
        store: SourceStore,
        reader: InboxReader,
        intake: Intake,
        clock: Clock,
        telemetry: Telemetry,
        *,
        resolver: Callable[[], Resolver],
        limits: IntakeLimits,
        mappings: MappingBook,
        gap: Gap,
        by: str,
        settings: PollSettings | None = None,
    ) -> None:
        self._store = store
        self._reader = reader
        self._intake = intake
        self._clock = clock
        self._telemetry = telemetry
        self._resolver = resolver
        self._limits = limits
        self._mappings = mappings
        self._gap = gap
        self._by = by
        self._settings = settings or PollSettings()
        self._polling: dict[str, asyncio.Task[None]] = {}
        self._mine: dict[str, Source] = {}
        self._forgot_at: dict[str, float] = {}

    async def run(self) -> None:
        """Follow the leases, one task a source, until cancelled."""
        try:
            while True:
                try:
                    await self._follow()
                except StoreError as trouble:
                    self._telemetry.record(StoreTrouble("postgres", "sources are polled later", str(trouble)))
                await self._clock.pause(self._settings.leases_s)
        finally:
            for task in self._polling.values():
                task.cancel()
            await asyncio.gather(*self._polling.values(), return_exceptions=True)

    async def _follow(self) -> None:
        now = self._clock.now()
        mine = await self._store.lease(self._by, now, now + timedelta(seconds=self._settings.lease_s))
        self._mine = {source.source_id: source for source in mine}
        for source_id, task in list(self._polling.items()):
            if task.done():
                await self._polling.pop(source_id)
            elif source_id not in self._mine:
                task.cancel()
                del self._polling[source_id]
        for source in mine:
            if source.source_id not in self._polling:
                self._polling[source.source_id] = asyncio.create_task(
                    self._poll_for_ever(source.source_id), name=f"source-{source.name}"
                )

    async def _poll_for_ever(self, source_id: str) -> None:
        pause_s = 0.0
        while True:
            await self._clock.pause(pause_s)
            source = self._mine.get(source_id)
            if source is None:
                return
            try:
                pause_s = await self.poll(source, pause_s)
            except StoreError as trouble:
                self._telemetry.record(StoreTrouble("postgres", "an inbox is taken later", str(trouble)))
                pause_s = _RETRY_S

    async def poll(self, source: Source, waited_s: float) -> float:
        """Read an inbox once and take what is new; how long to wait before the next time."""
        inbox = await self._reader.read(source)
        fresh: list[Stored] = []
        polled = Polled(inbox.state, inbox.detail)
        if inbox.state is SourceState.OK:
            known = await self._store.known(source.source_id, [stored.id for stored in inbox.requests])
            fresh = [stored for stored in reversed(inbox.requests) if stored.id not in known]
            polled = await self._take_all(source, fresh)
            polled = polled._replace(gap=_has_gap(source, inbox, known))
            await self._forget(source, inbox)
        await self._store.polled(source.source_id, polled, len(fresh), self._clock.now())
        self._telemetry.record(SourcePolled(source.name, polled.state, len(fresh), polled.events, polled.detail))
        if polled.gap:
            detail = f"the inbox is full with {len(inbox.requests)} requests and none at its old end is known"
            self._telemetry.record(SourceGap(source.name, detail))
            await self._gap(source, fresh[0].id if fresh else "rotated")
        return self._pause(source, inbox, len(fresh), waited_s)

    async def _take_all(self, source: Source, fresh: list[Stored]) -> Polled:
        events = refused = 0
        for stored in fresh:
            taken, items = await self._take(source, stored)
            refused += taken.refused is not None
            events += items
            await self._store.take(source.source_id, [taken], self._clock.now())
        return Polled(SourceState.OK, "", events, refused)

    async def _take(self, source: Source, stored: Stored) -> tuple[Taken, int]:
        """The events of one stored request in the ledger's care; only then is it done with."""
        sender = Sender(tenant=source.tenant, source=source.name, request_id=stored.id)
        headers = {name.lower(): values[0] for name, values in stored.headers.items() if values}
        media_type = headers.get("content-type")
        dialect = webhook_dialect(
            media_type,
            lambda: origin_of(headers, _query_of(stored), tenant=source.tenant, agent=None, run=None),
            is_binary="ce-specversion" in headers,
            mapping=self._mappings.bound.get(source.name),
        )
        try:
            decoded = dialect(stored.body.encode(), media_type, self._limits)
        except RequestError as error:
            self._telemetry.record(Rejected(1, error.reject.value))
            return Taken(stored.id, error.reject.value, stored.body[:_BODY_KEPT_CHARS]), 0
        resolved, rejections, taken = judged(self._resolver(), decoded, sender, self._received(stored))
        for rejection in rejections:
            self._telemetry.record(Rejected(1, rejection.code))
        for tenant, model in resolved.unpriced:
            self._telemetry.record(Unpriced(tenant, model))
        if resolved.chunks:
            await self._intake.accept(resolved, "ledger")
        if rejections:
            return Taken(stored.id, rejections[0].code, stored.body[:_BODY_KEPT_CHARS]), taken
        return Taken(stored.id), taken

    def _received(self, stored: Stored) -> datetime:
        """When a request came in, by the inbox's own clock: an event without a time counts in that day."""
        now = self._clock.now()
        try:
            at = datetime.fromisoformat(stored.received_at or "")
        except ValueError:
            return now
        return min(at, now) if at.tzinfo else now

    async def _forget(self, source: Source, inbox: Inbox) -> None:
        """Forget what left the inbox long ago. An empty reading proves nothing: the provider answers so in trouble."""
        now = self._clock.monotonic()
        if not inbox.requests or now - self._forgot_at.get(source.source_id, now - _FORGET_S) < _FORGET_S:
            return
        self._forgot_at[source.source_id] = now
        listed = [stored.id for stored in inbox.requests]
        await self._store.forget(source.source_id, listed, self._clock.now() - _KNOWN_KEPT)

    def _pause(self, source: Source, inbox: Inbox, fresh: int, waited_s: float) -> float:
        settings = self._settings
        match inbox.state:
            case SourceState.OK:
                room = max(source.stored_max * settings.fill_ratio, 1.0)
                # At this pace the inbox would be filled to the ratio by then; twice as long where nothing came.
                wanted = max(waited_s, settings.fastest_s) * (room / fresh if fresh else 2.0)
                pause = min(wanted, 2 * max(waited_s, settings.fastest_s))
            case SourceState.AWAY:
                pause = max(waited_s, settings.fastest_s) * 2
            case _:
                # Nothing changes here before somebody acts.
                return max(settings.away_s, inbox.retry_after_s or 0.0)
        return max(min(max(pause, settings.fastest_s), settings.slowest_s), inbox.retry_after_s or 0.0)


def _has_gap(source: Source, inbox: Inbox, known: set[str]) -> bool:
    """Whether requests may have been dropped unread: it is full, and nothing at its old end was seen before."""
    full = len(inbox.requests) >= source.stored_max
    return (full and inbox.requests[-1].id not in known) or inbox.rotated


def _query_of(stored: Stored) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(stored.query).items()}
