"""Imports: pages of events from files into the ledger, each once, however often and from wherever it begins anew.

Three things together make it so, and each alone would not. The identity of an event is deterministic, so that the
ledger drops a repeat for as long as it remembers identities. An event older than that is looked for among the entries
themselves, by its time and identity, which a repeat shares. And a file's place moves only over pages that are
committed, so that what a killed import had not committed is read again.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import NamedTuple, Protocol

from tollbook.domain.errors import StoreError
from tollbook.domain.event import Event
from tollbook.domain.rows import pg_micros, row_identity, row_micros, row_moment
from tollbook.ingest.exports.found import Refused
from tollbook.pipeline.accept import Intake
from tollbook.pipeline.resolve import Resolved, Resolver, Sender
from tollbook.ports.clock import Clock
from tollbook.ports.imports import ImportStore, Place
from tollbook.telemetry import Rejected, StoreTrouble, Telemetry, Unpriced

PAGE_EVENTS = 2_000
_FLIGHT_PAGES = 12
"""Pages on their way at once: more than a ledger transaction takes, less than a partition's buffer holds."""
_TRIES_MAX = 30
_RETRY_S = 1.0
_REMEMBERED = timedelta(days=35)
"""Identities of events younger than this are remembered by the ledger whenever they were booked."""


class Page(NamedTuple):
    """Events in the order of a file, the rows that made none, and where the file `name` stands behind them.

    `place` None: the page ends within something that cannot be begun in its middle.
    """

    name: str
    events: list[Event]
    refused: list[Refused]
    rows: int
    place: Place | None
    bytes: int = 0


class Told(NamedTuple):
    """What came of the pages so far. `known` were found among old entries; repeats the ledger drops are not told."""

    rows: int = 0
    events: int = 0
    known: int = 0
    refused: int = 0

    def plus(self, rows: int, events: int, known: int, refused: int) -> "Told":
        """These and more."""
        return Told(self.rows + rows, self.events + events, self.known + known, self.refused + refused)


class Watcher(Protocol):
    """Sees an import go on."""

    def page(self, page: Page, told: Told) -> None:
        """A page is committed and will not be read again."""
        ...

    def refused(self, page: Page, refused: Refused) -> None:
        """A row was not taken."""
        ...


class Importing:
    """Brings pages into the ledger."""

    def __init__(
        self,
        resolver: Resolver,
        intake: Intake,
        store: ImportStore,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._resolver = resolver
        self._intake = intake
        self._store = store
        self._clock = clock
        self._telemetry = telemetry

    async def run(self, pages: AsyncIterator[Page], source: str, watcher: Watcher) -> Told:
        """Commit every page and remember each file's place; raises `StoreError` where the stores stay away."""
        told = Told()
        sender = Sender(source=source)
        flying: deque[tuple[Page, asyncio.Task[tuple[int, list[Refused]]]]] = deque()
        try:
            async for page in pages:
                flying.append((page, asyncio.create_task(self._take(page, sender))))
                if len(flying) >= _FLIGHT_PAGES:
                    told = await self._land(*flying.popleft(), told, watcher)
            while flying:
                told = await self._land(*flying.popleft(), told, watcher)
        finally:
            for _, task in flying:
                task.cancel()
            await asyncio.gather(*(task for _, task in flying), return_exceptions=True)
        return told

    async def _land(
        self, page: Page, task: "asyncio.Task[tuple[int, list[Refused]]]", told: Told, watcher: Watcher
    ) -> Told:
        """Wait for the oldest page: places move in the order of the file, whatever is committed first."""
        known, late = await task
        refused = [*page.refused, *late]
        for one in refused:
            self._telemetry.record(Rejected(1, one.code))
            watcher.refused(page, one)
        if page.place is not None:
            await self._store.keep(page.name, page.place, self._clock.now())
        told = told.plus(page.rows, len(page.events) - known - len(late), known, len(refused))
        watcher.page(page, told)
        return told

    async def _take(self, page: Page, sender: Sender) -> tuple[int, list[Refused]]:
        """Commit a page; how many of its events are old entries already, and what was refused on the way."""
        resolved = self._resolver.resolve(page.events, None, sender, self._clock.now())
        refused = [Refused(one.index, one.code, one.detail) for one in resolved.rejections]
        events = page.events
        booked = await self._booked(resolved)
        if booked:
            events = [event for event in events if not self._is_booked(event, booked, sender)]
        for tenant, model in resolved.unpriced:
            self._telemetry.record(Unpriced(tenant, model))
        if len(events) > len(refused):
            await self._accept(events, sender, None if booked else resolved)
        return len(page.events) - len(events), refused

    async def _booked(self, resolved: Resolved) -> set[bytes]:
        before = pg_micros(self._clock.now() - _REMEMBERED)
        rows = (row for chunk in resolved.chunks.values() for row in chunk.rows)
        old = [(row_moment(row), row_identity(row)[0]) for row in rows if row_micros(row) < before]
        return await self._store.booked(old) if old else set()

    def _is_booked(self, event: Event, booked: set[bytes], sender: Sender) -> bool:
        alone = self._resolver.resolve([event], None, sender, self._clock.now())
        rows = [row for chunk in alone.chunks.values() for row in chunk.rows]
        return bool(rows) and all(row_identity(row)[0] in booked for row in rows)

    async def _accept(self, events: list[Event], sender: Sender, resolved: Resolved | None) -> None:
        for attempt in range(1, _TRIES_MAX + 1):
            if resolved is None:
                resolved = self._resolver.resolve(events, None, sender, self._clock.now())
            try:
                await self._intake.accept(resolved, "ledger")
            except StoreError as trouble:
                if not trouble.retryable or attempt == _TRIES_MAX:
                    raise
                self._telemetry.record(StoreTrouble("import", "page is sent again", str(trouble)))
                await self._clock.pause(_RETRY_S)
                # Anew for each try: a record takes the sums it is given and adds those of its neighbours to them.
                resolved = None
            else:
                return
