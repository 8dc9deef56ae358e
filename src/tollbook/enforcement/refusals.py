"""Counts what the gate refuses, so that a run can show where it was stopped."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from tollbook.domain.decision import Decision
from tollbook.domain.errors import StoreError
from tollbook.enforcement.asks import Ask
from tollbook.ports.clock import Clock
from tollbook.ports.refusals import RefusalStore, Refused
from tollbook.telemetry import StoreTrouble, Telemetry

WRITE_S = 1.0
_KINDS_MAX = 10_000
"""Different refusals that wait at one time; what is beyond is counted for its tenant alone."""
_KEPT = timedelta(days=35)


class _Key(NamedTuple):
    tenant: str
    run: str
    agent: str
    model: str
    verdict: str
    budget: str


class Refusals:
    """Gathers refusals and writes them each second. A retry in a tight loop is a count, never a row of its own.

    While Postgres is away counts gather on, bounded by their kinds. What a process has not written when
    it dies is lost.
    """

    def __init__(self, store: RefusalStore, clock: Clock, telemetry: Telemetry) -> None:
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._counts: dict[_Key, tuple[int, datetime, datetime]] = {}
        self._pruned: date | None = None

    def note(self, ask: Ask, decision: Decision) -> None:
        """Count a decision that does not admit its call; others are none of ours."""
        if decision.admits:
            return
        now = self._clock.now()
        budget = "" if decision.budget is None else decision.budget.id
        key = _Key(ask.tenant, ask.run or "", ask.agent, ask.model, decision.verdict.value, budget)
        if key not in self._counts and len(self._counts) >= _KINDS_MAX:
            key = key._replace(run="", agent="", model="", budget="")
        count, first_at, _ = self._counts.get(key, (0, now, now))
        self._counts[key] = (count + 1, first_at, now)

    async def run(self) -> None:
        """Write for ever."""
        while True:
            try:
                await self.write()
            except StoreError as trouble:
                self._telemetry.record(StoreTrouble("postgres", "refusals are written later", str(trouble)))
            await self._clock.pause(WRITE_S)

    async def write(self) -> None:
        """Write what has gathered; on a failure it is kept for the next time."""
        counts, self._counts = self._counts, {}
        try:
            if counts:
                await self._store.add([Refused(*key, *value) for key, value in counts.items()])
            today = self._clock.now().date()
            if self._pruned != today:
                await self._store.prune(today - _KEPT)
                self._pruned = today
        except StoreError:
            for key, (count, first_at, last_at) in counts.items():
                more, began, ended = self._counts.get(key, (0, first_at, last_at))
                self._counts[key] = (count + more, min(first_at, began), max(last_at, ended))
            raise
