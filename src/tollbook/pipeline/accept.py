"""Acknowledging events: what arrives together is journalled together, or kept in the inbox when Valkey is away."""

import asyncio
import os
from collections import deque
from typing import Literal

import msgspec

from tollbook.domain.errors import JournalUnavailable, LedgerUnavailable, StoreError
from tollbook.domain.record import MeterTouch, Record, Touch
from tollbook.pipeline.commits import CommitWatch
from tollbook.pipeline.resolve import Chunk, Resolved
from tollbook.ports.clock import Clock
from tollbook.ports.journal import Journal, PostCode
from tollbook.ports.ledger import Ledger
from tollbook.telemetry import Accepted, StoreTrouble, Telemetry, Throttled

Ack = Literal["journal", "ledger"]


class IntakeSettings(msgspec.Struct, frozen=True):
    """How records are formed and how long a sender waits.

    `waiting_events_max` bounds a partition's buffer: past it a sender is told to come back.
    `journal_probe_s` is how often a journal that failed is asked whether it is back.
    """

    record_events_max: int = 2_000
    waiting_events_max: int = 50_000
    journal_probe_s: float = 0.25
    ack_timeout_s: float = 10.0


class Overloaded(StoreError):  # noqa: N818 - a state of the world, not a mistake
    """The buffer before the journal is full: the sender should come back."""

    code = "overloaded"
    retryable = True


class Intake:
    """Takes resolved events and answers once they are safe."""

    def __init__(
        self, journal: Journal, ledger: Ledger, clock: Clock, telemetry: Telemetry, settings: IntakeSettings
    ) -> None:
        self._journal = journal
        self._ledger = ledger
        self.clock = clock
        self._telemetry = telemetry
        self._settings = settings
        self._lanes: dict[int, _Lane] = {}
        self._commits = CommitWatch(ledger, clock)
        self._probing: asyncio.Task[None] | None = None

    async def accept(self, resolved: Resolved, ack: Ack) -> None:
        """Return once every event is journalled (`ack="journal"`) or committed (`ack="ledger"`).

        Raises `Overloaded` or `StoreError` where some event could not be kept; the sender then retries with the
        same ids, and what had been kept is counted once all the same.
        """
        if ack == "journal":
            await self._put(resolved)
            return
        async with self._commits.watching():
            await self._commits.wait(await self._put(resolved), self._settings.ack_timeout_s)

    async def _put(self, resolved: Resolved) -> list[bytes]:
        lanes = [self._lane(partition).put(chunk) for partition, chunk in resolved.chunks.items()]
        if len(lanes) == 1:
            return [await lanes[0]]
        return await asyncio.gather(*lanes)

    def _lane(self, partition: int) -> "_Lane":
        lane = self._lanes.get(partition)
        if lane is None:
            lane = self._lanes[partition] = _Lane(partition, self, self._settings)
        return lane

    async def keep(self, record: Record, since: float) -> None:
        """Put a record into the journal, or into the inbox where the journal is away or will not take it.

        `since` is when, by the monotonic clock, its first event came.
        """
        if self._probing is None and await self._journalled(record):
            self._telemetry.record(Accepted(record.events, "journal", self.clock.monotonic() - since))
            return
        try:
            await self._ledger.inbox_append(record)
        except LedgerUnavailable as trouble:
            self._telemetry.record(StoreTrouble("postgres", "record is refused", str(trouble)))
            raise
        self._telemetry.record(Accepted(record.events, "inbox", self.clock.monotonic() - since))

    async def _journalled(self, record: Record) -> bool:
        try:
            posted = await self._journal.post(record)
        except JournalUnavailable as trouble:
            self._telemetry.record(StoreTrouble("valkey", "records go to the inbox", str(trouble)))
            if self._probing is None:
                self._probing = asyncio.create_task(self._probe(record.partition), name="journal-probe")
            return False
        if posted.code is PostCode.REFUSED_OVERFLOW:
            return False
        for tenant in posted.throttled:
            self._telemetry.record(Throttled(tenant))
        return True

    async def _probe(self, partition: int) -> None:
        """Ask until the journal answers: a hung Valkey costs this task its time-outs, not each sender one."""
        try:
            while True:
                await self.clock.pause(self._settings.journal_probe_s)
                try:
                    await self._journal.now_ms(partition)
                except JournalUnavailable:
                    continue
                return
        finally:
            self._probing = None


class _Lane:
    """One partition's buffer. While a record is on its way the next one fills: no timer, and no wait when idle."""

    def __init__(self, partition: int, intake: Intake, settings: IntakeSettings) -> None:
        self._partition = partition
        self._intake = intake
        self._settings = settings
        self._waiting: deque[tuple[Chunk, asyncio.Future[bytes]]] = deque()
        self._first_came = 0.0
        self._waiting_events = 0
        self._sending: asyncio.Task[None] | None = None

    async def put(self, chunk: Chunk) -> bytes:
        """Wait until the chunk is kept; the nonce of the record that holds it."""
        if self._waiting_events >= self._settings.waiting_events_max:
            raise Overloaded(f"partition {self._partition} has {self._waiting_events} events waiting")
        kept: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        if not self._waiting:
            self._first_came = self._intake.clock.monotonic()
        self._waiting.append((chunk, kept))
        self._waiting_events += len(chunk.rows)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send(), name=f"lane-{self._partition}")
        return await kept

    async def _send(self) -> None:
        try:
            while self._waiting:
                since = self._first_came
                chunks, kept = self._take()
                try:
                    nonce = await self._keep(chunks, since)
                except StoreError as trouble:
                    for future in _undone(kept):
                        future.set_exception(trouble)
                else:
                    for future in _undone(kept):
                        future.set_result(nonce)
                finally:
                    # Only a bug gets here with a sender still waiting: it must not wait for ever.
                    for future in _undone(kept):
                        future.cancel()
        finally:
            self._sending = None

    def _take(self) -> tuple[list[Chunk], list[asyncio.Future[bytes]]]:
        chunks: list[Chunk] = []
        kept: list[asyncio.Future[bytes]] = []
        events = 0
        while self._waiting and (not chunks or events < self._settings.record_events_max):
            chunk, future = self._waiting.popleft()
            chunks.append(chunk)
            kept.append(future)
            events += len(chunk.rows)
        self._waiting_events -= events
        return chunks, kept

    async def _keep(self, chunks: list[Chunk], since: float) -> bytes:
        record = record_of(self._partition, chunks)
        await self._intake.keep(record, since)
        return record.nonce


def record_of(partition: int, chunks: list[Chunk]) -> Record:
    """One record of resolved events of a partition; the first chunk's sums become those of all."""
    nanos, meters = chunks[0].nanos, chunks[0].meters
    for chunk in chunks[1:]:
        for place, amount in chunk.nanos.items():
            nanos[place] = nanos.get(place, 0) + amount
        for key, (amount, until_ms) in chunk.meters.items():
            meters[key] = (meters.get(key, (0, 0))[0] + amount, until_ms)
    return Record(
        partition=partition,
        nonce=os.urandom(16),
        events=sum(len(chunk.rows) for chunk in chunks),
        touches=tuple(Touch(place.tenant, place.window, amount) for place, amount in nanos.items()),
        rows=b"".join(row for chunk in chunks for row in chunk.rows),
        meters=tuple(MeterTouch(*key, *added) for key, added in meters.items()) if meters else (),
        holds=tuple(use for chunk in chunks for use in chunk.holds),
    )


def _undone(futures: list[asyncio.Future[bytes]]) -> list[asyncio.Future[bytes]]:
    return [future for future in futures if not future.done()]
