"""The one writer of a partition: journal and inbox into the ledger, and the ledger's totals back to the counters.

`docs/rooms/protocol.md` is the contract; the order of the steps below is the protocol's, and each matters.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import NamedTuple

import msgspec

from tollbook.domain.errors import (
    JournalUnavailable,
    LayoutUnknown,
    LedgerConfused,
    LedgerRefused,
    StoreError,
    invariant,
)
from tollbook.domain.record import InboxRecord, Journalled
from tollbook.domain.rows import has_known_layout
from tollbook.pipeline.rebuild import Rebuild
from tollbook.ports.clock import Clock
from tollbook.ports.journal import Journal, SettleCode, Settlement
from tollbook.ports.ledger import Batch, Booked, CatchUp, Ledger, Standing
from tollbook.telemetry import Drained, Settled, StoreTrouble, Telemetry

Crossing = Callable[[str], Awaitable[None]]
"""Called with the name of each step just done: where a fault test kills or delays the drain."""


class DrainSettings(msgspec.Struct, frozen=True):
    """How much a transaction books and how often the partition is caught up with.

    After a transaction of fewer than `gather_events_max` events the drain rests `gather_times` as long as it took,
    `gather_s_max` at the most: what arrives meanwhile shares the next one, so that a trickle costs a quarter of a core
    at the worst and the events of a busy minute share their transactions.

    Days stay 72 h after their end, for whoever reads `spend:<tenant>:<day>`; other meters as long as a hold may live.
    """

    batch_events_max: int = 10_000
    read_records_max: int = 512
    read_records_once: int = 64
    inbox_records_max: int = 64
    tick_s: float = 1.0
    rest_s: float = 0.25
    gather_events_max: int = 2_000
    gather_times: int = 3
    gather_s_max: float = 0.2
    unsettled_records_max: int = 4_096
    evaluated_days_max: int = 512
    swept_days_max: int = 64
    swept_meters_max: int = 1_000
    meter_kept_ms: int = 72 * 3600 * 1000
    closed_meter_kept_ms: int = 600_000
    batch_kept: timedelta = timedelta(hours=1)
    prune_s: float = 60.0


class _Committed(NamedTuple):
    booked: Booked
    records: tuple[Journalled, ...]


async def _no_crossing(step: str) -> None:
    """Cross a step boundary with nobody watching."""


class Drain:
    """Drains one partition until cancelled; every failure of a store ends in another try."""

    def __init__(
        self,
        partition: int,
        journal: Journal,
        ledger: Ledger,
        clock: Clock,
        telemetry: Telemetry,
        *,
        rebuild: Rebuild,
        settings: DrainSettings,
        crossing: Crossing = _no_crossing,
    ) -> None:
        self._partition = partition
        self._journal = journal
        self._ledger = ledger
        self._clock = clock
        self._telemetry = telemetry
        self._rebuild = rebuild
        self._settings = settings
        self._crossing = crossing
        self._after = ""
        self._fence: int | None = None
        self._unsettled: list[Journalled] = []
        self._committed: Standing | None = None
        self._settling: asyncio.Task[None] | None = None
        self._ticked_at = -1e9
        self._pruned_at = clock.monotonic()
        self._gather_s = 0.0
        self._evaluated_cursor = 0
        self._evaluated_meters = 0

    async def run(self) -> None:
        """Drain for ever. Raises `LedgerConfused` where an operator has to decide."""
        try:
            while True:
                try:
                    if await self.step():
                        await self._clock.pause(self._gather_s)
                    else:
                        # A pause is where a cancellation that a driver lost is noticed.
                        await self._clock.pause(0)
                        await self._journal.wait(self._partition, self._after, int(self._settings.tick_s * 1000))
                except LedgerConfused:
                    raise
                except StoreError as trouble:
                    self._telemetry.record(StoreTrouble("drain", "will try again", str(trouble)))
                    await self._clock.pause(self._settings.rest_s)
        finally:
            if self._settling is not None:
                self._settling.cancel()

    async def step(self) -> bool:
        """Book what waits, once; False where nothing did. Catches up first where a second has passed."""
        ticked = self._clock.monotonic() - self._ticked_at >= self._settings.tick_s
        if ticked:
            await self.tick()
        inbox = await self._ledger.inbox_peek(self._partition, self._settings.inbox_records_max) if ticked else []
        records = await self._read()
        if not records and not inbox:
            await self.settled()
            return False
        booked = await self._book(records, inbox)
        await self._crossing("booked")
        if records:
            self._after = records[-1].place
        # The next batch is read and booked while this one is settled; settles stay in order.
        await self.settled()
        self._settling = asyncio.create_task(self._settle(_Committed(booked, tuple(records))))
        if inbox:
            self._ticked_at = -1e9
        return True

    async def settled(self) -> None:
        """Wait for the settle under way, if one is; what it could not do is left to the next tick."""
        if self._settling is not None:
            settling, self._settling = self._settling, None
            await settling

    async def _read(self) -> list[Journalled]:
        if len(self._unsettled) >= self._settings.unsettled_records_max:
            return []
        settings = self._settings
        found: list[Journalled] = []
        events = 0
        while len(found) < settings.read_records_max:
            after = found[-1].place if found else self._after
            # A few at a time: how large records are is known only when they are here.
            asked = min(settings.read_records_once, settings.read_records_max - len(found))
            try:
                page = await self._journal.read(self._partition, after, asked)
            except JournalUnavailable as trouble:
                # What was read, and the inbox, must be drained all the same.
                self._telemetry.record(StoreTrouble("valkey", "journal is not read", str(trouble)))
                return found
            for record in page:
                found.append(record)
                events += record.events
                if events >= settings.batch_events_max:
                    return found
            if len(page) < asked:
                break
        return found

    async def _book(self, records: list[Journalled], inbox: list[InboxRecord]) -> Booked:
        waiting: list[Journalled | InboxRecord] = [*records, *inbox]
        if not all(has_known_layout(record.rows) for record in waiting):
            raise LayoutUnknown(f"partition {self._partition} holds a record of another version: run that one's drain")
        batch = Batch(
            nonces=[record.nonce for record in waiting],
            rows=[record.rows for record in waiting],
            inbox_ids=[record.inbox_id for record in inbox],
            events=sum(record.events for record in waiting),
        )
        await self._crossing("read")
        started = self._clock.monotonic()
        try:
            booked = await self._ledger.book(self._partition, batch, self._clock.now())
        except LedgerRefused as refusal:
            self._telemetry.record(StoreTrouble("postgres", "batch is bisected", str(refusal)))
            booked = await self._ledger.book_with_poison(self._partition, batch, self._clock.now())
        seconds = self._clock.monotonic() - started
        few = batch.events < self._settings.gather_events_max
        self._gather_s = min(self._settings.gather_times * seconds, self._settings.gather_s_max) if few else 0.0
        self._telemetry.record(
            Drained(
                self._partition,
                booked.version,
                booked.new,
                booked.duplicates,
                booked.conflicts,
                booked.dead,
                seconds,
                booked.corrections,
            )
        )
        return booked

    async def _settle(self, committed: _Committed) -> None:
        """Set the totals of one transaction and remove its records; a gap before it is caught up first."""
        booked, records = committed
        self._check_not_behind(booked.ledger_epoch, booked.version - 1)
        self._committed = Standing(booked.ledger_epoch, booked.version)
        self._unsettled += records
        await self._crossing("settling")
        if (
            self._fence is None
            or self._fence < booked.version - 1
            or not {touch.key for touch in booked.totals}.issuperset(_days_of(self._unsettled))
            or not {(total.tenant, total.meter) for total in booked.meters}.issuperset(_meters_of(self._unsettled))
        ):
            await self._catch_up_quietly()
            return
        try:
            await self._settle_once(booked, booked.version - 1)
        except JournalUnavailable as trouble:
            self._telemetry.record(StoreTrouble("valkey", "settle is put off", str(trouble)))

    async def _catch_up_quietly(self) -> None:
        try:
            await self.catch_up()
        except LedgerConfused:
            raise
        except StoreError as trouble:
            self._telemetry.record(StoreTrouble("drain", "settle is put off", str(trouble)))

    async def catch_up(self) -> None:
        """Bring the counters to the ledger's version, rebuilding them where they are incomplete.

        Reads again from the fence the store answers until both agree: no earlier answer is trusted.
        """
        for _ in range(8):
            read_at_ms: int | None = await self._journal.now_ms(self._partition)
            if await self._ledger.inbox_peek(self._partition, 1):
                # A hold whose event waits there has not lapsed: its room must not return yet.
                read_at_ms = None
            after = await self._known_fence()
            caught = await self._ledger.catch_up(
                self._partition, after, _days_of(self._unsettled), _meters_of(self._unsettled)
            )
            await self._crossing("caught up")
            self._check_not_behind(caught.ledger_epoch, caught.version)
            if caught.gap:
                # What changed behind the fence has been pruned: only a rebuild reads everything.
                await self._journal.forget(self._partition)
            code = await self._settle_once(caught, min(after, caught.version), read_at_ms)
            if code is SettleCode.SETTLED:
                return
            if code is SettleCode.OTHER_EPOCH:
                await self._journal.forget(self._partition)
            if code is not SettleCode.BEHIND:
                self._fence = await self._rebuild.run(self._partition)
        self._telemetry.record(StoreTrouble("valkey", "counters keep moving", "catch-up gave up until the next tick"))

    async def _known_fence(self) -> int:
        """The fence as last answered; a new drain asks for it by a settle that sets and removes nothing."""
        if self._fence is None:
            standing = await self._ledger.standing(self._partition)
            asked = Settlement(standing.ledger_epoch, standing.version, standing.version, (), ())
            answer = await self._journal.settle(self._partition, asked)
            if answer.code in (SettleCode.SETTLED, SettleCode.BEHIND):
                self._fence = answer.fence
            else:
                if answer.code is SettleCode.OTHER_EPOCH:
                    await self._journal.forget(self._partition)
                self._fence = await self._rebuild.run(self._partition)
        return self._fence

    async def _settle_once(
        self, known: Booked | CatchUp, from_version: int, read_at_ms: int | None = None
    ) -> SettleCode:
        settlement = Settlement(
            known.ledger_epoch,
            from_version,
            known.version,
            known.totals,
            tuple(self._unsettled),
            read_at_ms,
            known.meters,
            known.holds,
        )
        answer = await self._journal.settle(self._partition, settlement)
        await self._crossing("settled")
        if answer.code in (SettleCode.SETTLED, SettleCode.BEHIND):
            self._fence = answer.fence
            if answer.fence > known.version:
                await self._check_not_ahead(answer.fence)
        if answer.code is SettleCode.SETTLED:
            self._unsettled.clear()
            self._telemetry.record(Settled(self._partition, answer.fence, answer.removed))
        return answer.code

    async def _check_not_ahead(self, fence: int) -> None:
        """A fence ahead of the ledger is never "already applied": the ledger went back in time."""
        standing = await self._ledger.standing(self._partition)
        if fence > standing.version:
            raise self._confused(f"counters are set to version {fence}", standing.version)

    def _check_not_behind(self, ledger_epoch: str, version: int) -> None:
        """What this drain committed and did not settle may be settled only by a ledger that still has it."""
        if self._committed is None:
            return
        if ledger_epoch != self._committed.ledger_epoch:
            # It was committed to another ledger: only the journal has it now, to be read and booked again.
            self._unsettled.clear()
            self._after = ""
        elif version < self._committed.version:
            raise self._confused(f"version {self._committed.version} was committed", version)

    def _confused(self, known: str, version: int) -> LedgerConfused:
        return LedgerConfused(
            f"partition {self._partition}: {known}, the ledger is at {version}; "
            f"if it was restored, run `tollbook rebuild --restored`"
        )

    async def tick(self) -> None:
        """What happens each second, also when nothing arrives."""
        await self.settled()
        self._ticked_at = self._clock.monotonic()
        try:
            await self.catch_up()
            if not self._unsettled:
                # After a failover new records may stand at older places than the last one read.
                self._after = ""
            await self._evaluate_some()
            await self._sweep_some()
        except JournalUnavailable as trouble:
            self._telemetry.record(StoreTrouble("valkey", "tick is put off", str(trouble)))
        if self._clock.monotonic() - self._pruned_at >= self._settings.prune_s:
            self._pruned_at = self._clock.monotonic()
            await self._ledger.prune(self._partition, self._fence or 0, self._clock.now() - self._settings.batch_kept)
            await self._ledger.prune_meters(self._partition, self._clock.now())

    async def _evaluate_some(self) -> None:
        cursor, days = await self._journal.open_days(
            self._partition, self._evaluated_cursor, self._settings.evaluated_days_max
        )
        if days:
            await self._journal.evaluate(self._partition, days)
        self._evaluated_cursor = cursor
        self._evaluated_meters, meters = await self._journal.open_meters(
            self._partition, self._evaluated_meters, self._settings.evaluated_days_max
        )
        if meters:
            # A tenant that has been silent for days has no day left by which its flag would be seen to.
            tenants = list(dict.fromkeys(tenant for tenant, _ in meters))
            await self._journal.evaluate(self._partition, (), tenants)

    async def _sweep_some(self) -> None:
        kept_ms, at_most = self._settings.meter_kept_ms, self._settings.swept_days_max
        closed = await self._journal.closed_days(self._partition, kept_ms, at_most)
        if closed:
            swept = await self._journal.sweep(self._partition, kept_ms, closed)
            invariant(swept <= len(closed), "more meters swept than named")
        kept_ms = self._settings.closed_meter_kept_ms
        meters = await self._journal.closed_meters(self._partition, kept_ms, self._settings.swept_meters_max)
        if meters:
            await self._journal.sweep_meters(self._partition, kept_ms, meters)


def _days_of(records: list[Journalled]) -> list[tuple[str, date]]:
    return [day for record in records for day in record.touches]


def _meters_of(records: list[Journalled]) -> list[tuple[str, str]]:
    return [meter for record in records for meter in record.meters]
