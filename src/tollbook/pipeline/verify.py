"""Proves the sums on a live system: entries against totals within Postgres, and the counters against Postgres.

What Postgres says of itself is read under one snapshot. A counter is compared with Postgres only where its fence stands
at the very version the totals were read at, both in one answer of each store: then they are true for the same instant,
whatever arrives meanwhile. Where the fence never stands still for long enough, the equation is `busy`: neither proven
nor broken.
"""

from collections.abc import Iterable, Sequence, Set
from datetime import date

from tollbook.domain.errors import JournalUnavailable
from tollbook.domain.money import cents_of
from tollbook.pipeline.equations import Equation, Outcome, Tally, VerifySettings
from tollbook.pipeline.verify_meters import MeterAudit
from tollbook.ports.audit import (
    Comparison,
    CountersAudit,
    KeptDay,
    LedgerAudit,
    LedgerEquation,
    Limits,
    SettledDays,
)
from tollbook.ports.clock import Clock
from tollbook.ports.holds import Holds
from tollbook.ports.journal import Journal

Day = tuple[str, date]

_SAMPLES_MAX = 5

_SIDES: dict[LedgerEquation, tuple[str, str]] = {
    LedgerEquation.DAILY_SPEND: ("entries by tenant and day, nanos", "daily_spend, nanos"),
    LedgerEquation.ROLLUP_HOUR: ("entries by hour, agent and model, nanos", "rollup_hour, nanos"),
    LedgerEquation.ROLLUP_DAY: ("rollup_hour by day, by month and of all, nanos", "their rollups, nanos"),
    LedgerEquation.RUN_TOTAL: ("entries by run, nanos", "run_total, nanos"),
    LedgerEquation.ENTRY_ONCE: ("entries", "distinct entry ids"),
    LedgerEquation.CORRECTIONS: ("entries of corrected calls, nanos", "what stands of them, nanos"),
    LedgerEquation.ENTRY_IDENTITY: ("entries whose identity is kept", "those that have it"),
    LedgerEquation.IDENTITY_ENTRY: ("identities", "those that have an entry"),
    LedgerEquation.PRICE: ("entries with a price", "those whose rate card is known"),
    LedgerEquation.VERSION: ("versions of partitions", "newest transactions"),
    LedgerEquation.METER_TOTAL: ("entries by open meter", "meter_total"),
    LedgerEquation.STATEMENT: ("entries of closed statements, nanos", "closed_statement, nanos"),
}


class _Tallies:
    def __init__(self) -> None:
        self.fence = Tally("fence", "versions the counters are set to", "versions of the ledger")
        self.settled = Tally("settled", "settled of kept days, nanos", "daily_spend, nanos")
        self.pending = Tally("pending", "pending of kept days, nanos", "deltas in the journal, nanos")
        self.held = Tally("held", "held of kept days and meters", "open holds")
        self.meter_settled = Tally("meter_settled", "settled of kept meters", "meter_total")
        self.meter_pending = Tally("meter_pending", "pending of kept meters", "deltas in the journal")
        self.limit = Tally("limit", "limits beside the counters, nanos", "limits in force, nanos")
        self.throttled = Tally("throttled", "throttle flags", "tenants at or over their limit")
        self.spend = Tally("spend", "spend keys, cents", "settled + pending, cents")

    def every(self) -> tuple[Tally, ...]:
        of_days = (self.fence, self.settled, self.pending, self.held)
        return (*of_days, self.meter_settled, self.meter_pending, self.limit, self.throttled, self.spend)


class Verify:
    """The use case behind `tollbook verify`. Reads only."""

    def __init__(
        self,
        ledger: LedgerAudit,
        journal: Journal,
        counters: CountersAudit,
        clock: Clock,
        settings: VerifySettings | None = None,
        *,
        holds: Holds,
    ) -> None:
        self._ledger = ledger
        self._journal = journal
        self._counters = counters
        self._clock = clock
        self._settings = settings or VerifySettings()
        self._meters = MeterAudit(ledger, journal, holds, clock, self._settings)

    async def run(self, partitions: Iterable[int], since: date | None = None) -> list[Equation]:
        """Every equation; `since` leaves out what Postgres keeps of earlier days. The counters are compared whole.

        Raises `LedgerUnavailable` where Postgres is away; without Valkey its equations are busy.
        """
        compared = await self._ledger.compare(since, self._clock.now())
        equations = [_of_ledger(name, comparison) for name, comparison in compared.items()]
        tallies = _Tallies()
        try:
            for partition in partitions:
                await self._partition(partition, tallies)
        except JournalUnavailable as trouble:
            for tally in tallies.every():
                tally.busy = str(trouble)
        return equations + [tally.equation() for tally in tallies.every()]

    async def _partition(self, partition: int, tallies: _Tallies) -> None:
        if not await self._journal.complete(partition):
            for tally in tallies.every():
                tally.busy = f"the counters of partition {partition} are being rebuilt"
            return
        await self._fence(partition, tallies)
        owed = frozenset(await self._ledger.open_days(partition, self._clock.now()))
        days = sorted(owed.union(await self._kept_days(partition)))
        for start in range(0, len(days), self._settings.days_max):
            chunk = days[start : start + self._settings.days_max]
            await self._settled(partition, chunk, owed, tallies)
            await self._pending(partition, chunk, tallies)
            await self._shown(partition, chunk, tallies)
        await self._meters.compare(
            partition, days, settled=tallies.meter_settled, pending=tallies.meter_pending, held=tallies.held
        )

    async def _kept_days(self, partition: int) -> set[Day]:
        days: set[Day] = set()
        cursor = 0
        while True:
            cursor, found = await self._journal.open_days(partition, cursor, self._settings.days_max)
            days.update(found)
            if cursor == 0:
                return days

    async def _fence(self, partition: int, tallies: _Tallies) -> None:
        """The fence reaches the ledger's version, and is never ahead of it."""
        asked = await self._at_one_version(partition, ())
        if asked is not None:
            tallies.fence.add(asked[0].version, asked[0].version, f"partition {partition}")
            return
        # Postgres is read last: a fence beyond that version was ahead of it.
        fence = (await self._counters.kept(partition, ())).fence
        version = (await self._ledger.settled(partition, ())).version
        if fence > version:
            tallies.fence.add(fence, version, f"partition {partition} is ahead of the ledger")
        else:
            tallies.fence.busy = f"partition {partition}: counters at version {fence}, ledger at {version}"

    async def _at_one_version(
        self, partition: int, days: Sequence[Day]
    ) -> tuple[SettledDays, tuple[KeptDay, ...]] | None:
        """Both stores' answers for one version of the ledger, or None where they never met."""
        settings = self._settings
        for _ in range(settings.snapshots_max):
            settled = await self._ledger.settled(partition, days)
            for _ in range(settings.polls_max):
                kept = await self._counters.kept(partition, days)
                if kept.complete and kept.fence == settled.version:
                    return settled, kept.days
                if not kept.complete or kept.fence > settled.version:
                    break
                await self._clock.pause(settings.poll_s)
        return None

    async def _settled(self, partition: int, days: Sequence[Day], owed: Set[Day], tallies: _Tallies) -> None:
        """Settled totals; the counters owe those of the days in `owed`, which are open by the ledger's account."""
        met = await self._at_one_version(partition, days)
        if met is None:
            tallies.settled.busy = f"the fence of partition {partition} never stood at the version just read"
            return
        settled, kept = met
        for day, counters in zip(days, kept, strict=True):
            # A closed day may have been swept; a late event brings it back, and its settle its total.
            if counters.settled_nanos is not None or day in owed:
                tallies.settled.add(counters.settled_nanos or 0, settled.nanos.get(day, 0), _name(day))

    async def _pending(self, partition: int, days: Sequence[Day], tallies: _Tallies) -> None:
        audit = await self._journal.audit(partition, days, self._settings.journal_records_max)
        if audit.days is None:
            tallies.pending.busy = f"{audit.records} records wait in partition {partition}: too many to add up"
            return
        for day in audit.days:
            where = _name((day.tenant, day.day))
            tallies.pending.add(day.pending_nanos, day.journal_nanos, where)

    async def _shown(self, partition: int, days: Sequence[Day], tallies: _Tallies) -> None:
        """What the outside sees. It follows a change within a second, so it is looked at more than once."""
        waiting = list(days)
        for look in range(1, self._settings.looks_max + 1):
            limits = await self._ledger.limits()
            before_ms = await self._journal.now_ms(partition)
            kept = await self._counters.kept(partition, waiting)
            after_ms = await self._journal.now_ms(partition)
            last = look == self._settings.looks_max
            wrong: list[Day] = []
            for day, counters in zip(waiting, kept.days, strict=True):
                facts = _Shown(day, counters, limits, (before_ms, after_ms))
                if last or facts.right:
                    facts.tally(tallies)
                else:
                    wrong.append(day)
            if not wrong:
                return
            waiting = wrong
            await self._clock.pause(self._settings.settling_pause_s)


class _Shown:
    """One day as the outside sees it, and as it ought to."""

    def __init__(self, day: Day, kept: KeptDay, limits: Limits, read_ms: tuple[int, int]) -> None:
        self._day = day
        self._kept = kept
        self._limits = limits
        from_ms, until_ms = kept.window_ms or (0, 0)
        self._open = from_ms <= read_ms[0] and read_ms[1] < until_ms
        self._spent = (kept.settled_nanos or 0) + kept.pending_nanos

    def _pairs(self) -> list[tuple[str, int, int]]:
        kept, limit = self._kept, self._kept.limit_nanos
        pairs: list[tuple[str, int, int]] = []
        if self._open:
            pairs.append(("limit", -1 if limit is None else limit, self._limits.of(self._day[0])))
            reached = limit is not None and self._spent >= limit
            # With a limit of another window the flag may stand without the day's being reached.
            owed = kept.throttled if self._limits.watches(self._day[0]) and not reached else reached
            pairs.append(("throttled", int(kept.throttled), int(owed)))
        if self._open or (kept.spend_cents is not None and kept.settled_nanos is not None):
            # The key of a closed day may have expired; an absent one shows nothing, which -1 stands for.
            shown = -1 if kept.spend_cents is None else kept.spend_cents
            pairs.append(("spend", shown, cents_of(self._spent)))
        return pairs

    @property
    def right(self) -> bool:
        """Whether everything shown is what it ought to be."""
        return all(left == right for _, left, right in self._pairs())

    def tally(self, tallies: _Tallies) -> None:
        """Add the day to the equations it belongs to."""
        of = {tally.name: tally for tally in tallies.every()}
        for name, left, right in self._pairs():
            of[name].add(left, right, _name(self._day))


def _of_ledger(name: LedgerEquation, found: Comparison) -> Equation:
    left_name, right_name = _SIDES[name]
    return Equation(name.value, left_name, found.left, right_name, found.right, found.differing, found.samples)


def _name(day: Day) -> str:
    return f"{day[0]} {day[1].isoformat()}"


def render_equations(equations: Sequence[Equation]) -> str:
    """The equations as plain text, one a line, with what differs beneath."""
    lines: list[str] = []
    width = max((len(equation.name) for equation in equations), default=0)
    for equation in equations:
        outcome = equation.outcome
        sign = "=" if outcome is Outcome.HOLDS else "?" if outcome is Outcome.BUSY else "≠"
        lines.append(
            f"{outcome.value:8} {equation.name:{width}}  {equation.left_name} {equation.left}"
            f" {sign} {equation.right} {equation.right_name}"
        )
        lines.extend(f"{'':9}{difference}" for difference in equation.differences)
        unseen = equation.differing - len(equation.differences)
        if unseen > 0:
            lines.append(f"{'':9}and {unseen} more")
        if equation.busy is not None:
            lines.append(f"{'':9}not compared: {equation.busy}")
    return "\n".join(lines)
