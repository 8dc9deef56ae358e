"""Counters of meters other than days against the ledger and the journal, and what is held against open holds."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

from tollbook.pipeline.equations import Tally, VerifySettings
from tollbook.ports.audit import LedgerAudit
from tollbook.ports.clock import Clock
from tollbook.ports.holds import Holds
from tollbook.ports.journal import Audit, AuditedMeter, Journal

Meter = tuple[str, str]

_HOLDS_MAX = 100_000


class MeterAudit:
    """A part of `verify.Verify`: reads only."""

    def __init__(
        self, ledger: LedgerAudit, journal: Journal, holds: Holds, clock: Clock, settings: VerifySettings
    ) -> None:
        self._ledger = ledger
        self._journal = journal
        self._holds = holds
        self._clock = clock
        self._settings = settings

    async def compare(
        self, partition: int, days: Sequence[tuple[str, date]], *, settled: Tally, pending: Tally, held: Tally
    ) -> None:
        """Add a partition's meters to the equations. `days` are those whose held amounts count too."""
        owed = set(await self._ledger.open_meters(partition, self._clock.now()))
        meters = sorted(owed.union(await self._kept(partition)))
        for start in range(0, len(meters), self._settings.days_max):
            chunk = meters[start : start + self._settings.days_max]
            found = await self._settled(partition, chunk)
            if found is None:
                settled.busy = f"the fence of partition {partition} never stood at the version just read"
                continue
            totals, audit = found
            for counted in audit:
                name = (counted.tenant, counted.meter)
                # A run's total is only read when it is asked for, a closed window's may have been swept.
                if counted.settled or name in owed:
                    settled.add(counted.settled, totals.get(name, 0), " ".join(name))
                pending.add(counted.pending, counted.journal, " ".join(name))
        dated = [(tenant, f"day:{day.isoformat()}") for tenant, day in days]
        await self._held(partition, [*meters, *dated], held)

    async def _kept(self, partition: int) -> set[Meter]:
        meters: set[Meter] = set()
        cursor = 0
        while True:
            cursor, found = await self._journal.open_meters(partition, cursor, self._settings.days_max)
            meters.update(found)
            if cursor == 0:
                return meters

    async def _audit(self, partition: int, meters: Sequence[Meter]) -> Audit:
        return await self._journal.audit(partition, (), self._settings.journal_records_max, meters)

    async def _settled(
        self, partition: int, meters: Sequence[Meter]
    ) -> tuple[dict[Meter, int], tuple[AuditedMeter, ...]] | None:
        for _ in range(self._settings.snapshots_max):
            kept = await self._ledger.settled_meters(partition, meters)
            for _ in range(self._settings.polls_max):
                audit = await self._audit(partition, meters)
                if audit.complete and audit.fence == kept.version and audit.days is not None:
                    return dict(kept.totals), audit.meters
                if not audit.complete or audit.fence > kept.version:
                    break
                await self._clock.pause(self._settings.poll_s)
        return None

    async def _held(self, partition: int, meters: Sequence[Meter], held: Tally) -> None:
        """What is held of each meter is the sum over the open holds, where both stand still for long enough."""
        for _ in range(self._settings.snapshots_max):
            before = await self._amounts(partition, meters)
            if before is None:
                continue
            sums: Counter[Meter] = Counter()
            for tenant in sorted({tenant for tenant, _ in meters}):
                for hold in await self._holds.open_holds(partition, tenant, _HOLDS_MAX):
                    for meter, amount in hold.amounts.items():
                        sums[tenant, meter] += amount
            if before == await self._amounts(partition, meters):
                for name in meters:
                    held.add(before[name], sums[name], " ".join(name))
                return
            await self._clock.pause(self._settings.poll_s)
        held.busy = f"what is held in partition {partition} never stood still, or too many records wait there"

    async def _amounts(self, partition: int, meters: Sequence[Meter]) -> dict[Meter, int] | None:
        found: dict[Meter, int] = {}
        for start in range(0, len(meters), self._settings.days_max):
            audit = await self._audit(partition, meters[start : start + self._settings.days_max])
            if audit.days is None:
                return None
            found |= {(counted.tenant, counted.meter): counted.held for counted in audit.meters}
        return found
