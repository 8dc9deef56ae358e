"""Restores a partition's counters from the ledger, by itself, whenever the epoch key is missing."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date, timedelta
from uuid import uuid4

import msgspec

from tollbook.ports.clock import Clock
from tollbook.ports.journal import Journal
from tollbook.ports.ledger import Ledger, Standing
from tollbook.telemetry import Rebuilt, Telemetry

Limits = Callable[[int], Awaitable[None]]
"""Puts every limit of a partition beside its meters."""


class RebuildSettings(msgspec.Struct, frozen=True):
    """`kept` is how long after its close a day is restored; `hold_ttl_max_ms` the longest life of a hold."""

    kept: timedelta = timedelta(hours=72)
    hold_ttl_max_ms: int = 600_000
    page_days_max: int = 500


class Rebuild:
    """Neither the journal nor pending is touched; only the last step declares the counters complete."""

    def __init__(
        self,
        journal: Journal,
        ledger: Ledger,
        clock: Clock,
        telemetry: Telemetry,
        *,
        limits: Limits,
        settings: RebuildSettings,
    ) -> None:
        self._journal = journal
        self._ledger = ledger
        self._clock = clock
        self._telemetry = telemetry
        self._limits = limits
        self._settings = settings

    async def run(self, partition: int) -> int:
        """Rebuild until the counters are complete; the version they are then true for.

        Starts over where the counters were lost again or another drain opened them first.
        """
        while True:
            version = await self._once(partition)
            if version is not None:
                return version
            if await self._journal.complete(partition):
                return 0

    async def _once(self, partition: int) -> int | None:
        started = self._clock.monotonic()
        token = uuid4().hex
        if not await self._journal.rebuild_begin(partition, token):
            return None
        ledger_epoch, version = "", 0
        loaded: set[tuple[str, date]] = set()
        loaded_meters: set[tuple[str, str]] = set()
        async for page in self._ledger.open_totals(partition, self._clock.now() - self._settings.kept):
            ledger_epoch, version = page.ledger_epoch, page.version
            loaded.update(touch.key for touch in page.totals)
            loaded_meters.update((total.tenant, total.meter) for total in page.meters)
            holds_any = page.totals or page.meters
            if holds_any and not await self._journal.rebuild_load(partition, token, page.totals, page.meters):
                return None
        if not await self._correct_others(partition, token, Standing(ledger_epoch, version), loaded):
            return None
        if not await self._clear_meters(partition, token, loaded_meters):
            return None
        await self._limits(partition)
        opened = await self._journal.rebuild_open(
            partition,
            token,
            ledger_epoch=ledger_epoch,
            version=version,
            quarantine_ms=self._settings.hold_ttl_max_ms,
        )
        if not opened:
            return None
        await self._show(partition)
        self._telemetry.record(Rebuilt(partition, len(loaded), self._clock.monotonic() - started))
        return version

    async def _correct_others(
        self, partition: int, token: str, standing: Standing, loaded: set[tuple[str, date]]
    ) -> bool:
        """Set days that Valkey kept and the pages did not hold: a ledger that went back in time may not have them."""
        async for days in self._kept_days(partition):
            others = [day for day in days if day not in loaded]
            if not others:
                continue
            caught = await self._ledger.catch_up(partition, standing.version, others)
            if caught.ledger_epoch != standing.ledger_epoch:
                return False
            known = {touch.key for touch in caught.totals}
            gone = [day for day in others if day not in known]
            if caught.totals and not await self._journal.rebuild_load(partition, token, caught.totals):
                return False
            if gone and not await self._journal.rebuild_clear(partition, token, gone):
                return False
        return True

    async def _clear_meters(self, partition: int, token: str, loaded: set[tuple[str, str]]) -> bool:
        """Take away settled totals of meters that Valkey kept and the pages did not hold, those of runs among them."""
        cursor = 0
        while True:
            cursor, found = await self._journal.open_meters(partition, cursor, self._settings.page_days_max)
            gone = [meter for meter in found if meter not in loaded]
            if gone and not await self._journal.rebuild_clear(partition, token, (), gone):
                return False
            if cursor == 0:
                return True

    async def _show(self, partition: int) -> None:
        """Write flags and spend keys anew: a bare precheck is open until this is done."""
        async for days in self._kept_days(partition):
            await self._journal.evaluate(partition, days)

    async def _kept_days(self, partition: int) -> AsyncIterator[list[tuple[str, date]]]:
        cursor = 0
        while True:
            cursor, found = await self._journal.open_days(partition, cursor, self._settings.page_days_max)
            if found:
                yield found
            if cursor == 0:
                return
