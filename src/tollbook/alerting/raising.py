"""The raiser of one partition: settled totals into alerts, each once, beside the drain and after its commits."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta
from typing import NamedTuple, TypeVar

import msgspec

from tollbook.alerting.judge import Candidate, burn, differs, thresholds, throttled, unpriced
from tollbook.alerting.pace import Pace, near_per_mille
from tollbook.domain.alert import Alert, Spent, Throttle
from tollbook.domain.errors import StoreError
from tollbook.domain.meter_parts import parts_of, window_named
from tollbook.domain.tenancy import Tenancy
from tollbook.ports.alerts import AlertStore, Named, Raised, Total, Turn
from tollbook.ports.clock import Clock
from tollbook.telemetry import AlertRaised, StoreTrouble, Telemetry

Crossing = Callable[[str], Awaitable[None]]
"""Called with the name of each step just done: where a fault test kills the raiser."""

Known = TypeVar("Known")

_REMEMBERED_MAX = 100_000


class RaiserSettings(msgspec.Struct, frozen=True):
    """How often a partition is looked at, how late a total may still ring, how far ahead the burn rate looks."""

    poll_s: float = 0.5
    late_max: timedelta = timedelta(days=1)
    burn_rate_minutes: int = 60


class _Found(NamedTuple):
    candidates: list[Candidate]
    alerts: list[Alert]
    throttles: list[Throttle]


class _Learned(NamedTuple):
    """What a turn found to stand, or made stand: known once it is committed."""

    marks: dict[bytes, int]
    unpriced: dict[tuple[str, date], int]


async def _no_crossing(step: str) -> None:
    """Cross a step boundary with nobody watching."""


class Raiser:
    """Raises what one partition's totals give rise to, until cancelled."""

    def __init__(
        self,
        partition: int,
        store: AlertStore,
        clock: Clock,
        telemetry: Telemetry,
        tenancy: Callable[[], Tenancy],
        *,
        settings: RaiserSettings,
        crossing: Crossing = _no_crossing,
    ) -> None:
        self._partition = partition
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._tenancy = tenancy
        self._settings = settings
        self._crossing = crossing
        self._pace = Pace()
        # What is known to stand in the ledger: only ever a lower bound, so that forgetting costs one question.
        self._marks: dict[bytes, int] = {}
        self._unpriced: dict[tuple[str, date], int] = {}

    async def run(self) -> None:
        """Raise for ever."""
        while True:
            try:
                await self.step()
            except StoreError as trouble:
                self._telemetry.record(StoreTrouble("postgres", "alerts are raised later", str(trouble)))
            await self._clock.pause(self._settings.poll_s)

    async def step(self) -> list[Raised]:
        """Look once at what changed; the alerts that were raised."""
        now = self._clock.now()
        if not await self._store.waits(self._partition, now):
            return []
        learned = _Learned({}, {})
        async with self._store.turn(self._partition) as turn:
            raised = await self._turn(turn, learned)
            await self._crossing("raised")
        await self._crossing("committed")
        _merge(self._marks, learned.marks)
        _merge(self._unpriced, learned.unpriced)
        for found in raised:
            alert = found.alert
            self._telemetry.record(
                AlertRaised(alert.kind.value, alert.tenant, alert.text, found.alert_id, found.deliveries, alert.facts)
            )
        return raised

    async def _turn(self, turn: Turn, learned: _Learned) -> list[Raised]:
        now = self._clock.now()
        raised: list[Raised] = []
        judged: set[tuple[str, str]] = set()
        near = near_per_mille(self._settings.burn_rate_minutes)
        async for page in turn.totals(now - self._settings.late_max, now, near):
            judged.update((total.tenant, total.meter) for total in page)
            raised += await self._keep(turn, await self._judge(turn, page), learned)
            raised += await self._keep(turn, await self._judge_models(turn, page, learned), learned)
        differing = await turn.differing(now - self._settings.late_max)
        raised += await self._keep(turn, _Found([differs(each) for each in differing], [], []), learned)
        ending = [(state, total) for state, total in await turn.ending(now) if total[:2] not in judged]
        raised += await self._keep(turn, await self._judge_throttles(turn, ending), learned)
        return raised

    async def _spent(self, turn: Turn, totals: Sequence[Total]) -> list[Spent]:
        """The totals with their windows and budgets."""
        tenancy, now = self._tenancy(), self._clock.now()
        parts = [parts_of(total.meter) for total in totals]
        budgets = await turn.budgets(
            [Named(total.tenant, part) for total, part in zip(totals, parts, strict=True)], now
        )
        return [
            Spent(
                total.tenant,
                total.meter,
                part,
                window_named(part.window, tenancy.calendar_of(total.tenant)),
                total.total,
                budget,
            )
            for total, part, budget in zip(totals, parts, budgets, strict=True)
        ]

    async def _judge(self, turn: Turn, totals: Sequence[Total]) -> _Found:
        now = self._clock.now()
        states = await turn.throttles(totals)
        found = _Found([], [], [])
        for spent in await self._spent(turn, totals):
            if spent.window.end is not None and spent.window.end <= now - self._settings.late_max:
                continue
            found.candidates.extend(thresholds(spent))
            seconds_left = self._pace.seconds_left(spent, now)
            if seconds_left is not None and seconds_left <= self._settings.burn_rate_minutes * 60:
                candidate = burn(spent, seconds_left)
                found.candidates.extend([] if candidate is None else [candidate])
            self._judge_throttle(spent, states.get((spent.tenant, spent.meter)), found)
        return found

    async def _judge_throttles(self, turn: Turn, ending: Sequence[tuple[Throttle, Total]]) -> _Found:
        found = _Found([], [], [])
        spents = await self._spent(turn, [total for _, total in ending])
        for (state, _), spent in zip(ending, spents, strict=True):
            self._judge_throttle(spent, state, found)
        return found

    def _judge_throttle(self, spent: Spent, before: Throttle | None, found: _Found) -> None:
        turned = throttled(spent, before, self._clock.now())
        if turned is not None:
            found.throttles.append(turned.throttle)
            found.alerts.extend([] if turned.alert is None else [turned.alert])

    async def _judge_models(self, turn: Turn, totals: Sequence[Total], learned: _Learned) -> _Found:
        """Models without a price, in the days in which more was spent on such since the last look."""
        more: dict[tuple[str, date], int] = {}
        oldest = (self._clock.now() - self._settings.late_max).date() - timedelta(days=1)
        for total in totals:
            if total.unpriced_nanos:
                key = (total.tenant, date.fromisoformat(total.meter.removeprefix("day:")))
                if key[1] >= oldest and total.unpriced_nanos > self._unpriced.get(key, 0):
                    more[key] = total.unpriced_nanos
        models = await turn.unpriced_models(more) if more else []
        learned.unpriced.update(more)
        return _Found([unpriced(tenant, day.isoformat(), model) for tenant, day, model in models], [], [])

    async def _keep(self, turn: Turn, found: _Found, learned: _Learned) -> list[Raised]:
        """Keep the states, and of the candidates those that have not rung."""
        unsure = [candidate for candidate in found.candidates if not _stands(candidate, self._marks)]
        if unsure:
            marks = await turn.marks({candidate.alert.crossing for candidate in unsure})
            learned.marks.update(marks)
            unsure = [candidate for candidate in unsure if not _stands(candidate, marks)]
        if found.throttles:
            await turn.keep_throttles(found.throttles, self._clock.now())
        alerts = [candidate.alert for candidate in unsure] + found.alerts
        learned.marks.update({alert.crossing: alert.mark for alert in alerts})
        return await turn.insert(alerts, self._clock.now()) if alerts else []


def _stands(candidate: Candidate, marks: dict[bytes, int]) -> bool:
    mark = marks.get(candidate.alert.crossing)
    return mark is not None and mark >= candidate.unless


def _merge(known: dict[Known, int], learned: dict[Known, int]) -> None:
    if len(known) + len(learned) > _REMEMBERED_MAX:
        known.clear()
    known.update(learned)
