"""Which meters a call counts in, found once for calls alike: a fleet's calls are alike by the thousand."""

from datetime import datetime
from typing import NamedTuple

from tollbook.domain.budget import BudgetSet
from tollbook.domain.event import Event
from tollbook.domain.meter import Attribution, ScopeKind, Unit, WindowKind, window_of
from tollbook.domain.window import DayWindow, ZoneCalendar

_MINUTE_MICROS = 60_000_000
_HOUR_MICROS = 60 * _MINUTE_MICROS
_ALIKE_MAX = 20_000


class Counted(NamedTuple):
    """A meter that a call counts in: in what unit, its (tenant, name), and when it closes, 0 for a run."""

    unit: Unit
    key: tuple[str, str]
    until_ms: int


class Metering:
    """The meters of one tenant's calls within one of its days, under the budgets of one moment."""

    __slots__ = ("_alike", "_begins", "_budgets", "_by_run", "_by_tag", "_calendar", "_step", "_tenant", "_window")

    def __init__(self, tenant: str, budgets: BudgetSet, window: DayWindow, calendar: ZoneCalendar) -> None:
        self._tenant = tenant
        self._budgets = budgets
        self._window = window
        self._calendar = calendar
        kinds, scopes = budgets.kinds(), budgets.scopes()
        self._step = (
            _MINUTE_MICROS if WindowKind.MINUTE in kinds else _HOUR_MICROS if WindowKind.HOUR in kinds else None
        )
        self._begins = 0 if WindowKind.MINUTE in kinds else int(window.start.timestamp()) * 1_000_000
        self._by_run = WindowKind.RUN in kinds or not scopes.isdisjoint({ScopeKind.RUN, ScopeKind.INSTANCE})
        self._by_tag = ScopeKind.TAG in scopes
        self._alike: dict[tuple[object, ...], tuple[Counted, ...]] = {}

    def meters(self, event: Event, at: datetime) -> tuple[Counted, ...]:
        """The meters of a call that counts at the instant `at`, which lies in the day."""
        run = event.run if self._by_run else None
        tags = event.tags if self._by_tag else None
        step = 0 if self._step is None else (int(at.timestamp()) * 1_000_000 - self._begins) // self._step
        key = (step, event.agent, event.model, run, None if tags is None else tuple(tags.items()))
        found = self._alike.get(key)
        if found is None:
            if len(self._alike) >= _ALIKE_MAX:
                self._alike.clear()
            found = self._alike[key] = self._named(Attribution(event.agent, event.model, run, tags), at)
        return found

    def _named(self, call: Attribution, at: datetime) -> tuple[Counted, ...]:
        windows = {kind: window_of(kind, at, self._window, self._calendar, call.run) for kind in self._budgets.kinds()}
        return tuple(
            Counted(unit, (self._tenant, meter), 0 if window.end is None else int(window.end.timestamp() * 1000))
            for meter, (unit, window) in self._budgets.meters(call, windows).items()
        )


def amount(unit: Unit, event: Event, nanos: int) -> int:
    """What a call of that cost adds to a meter of the unit."""
    if unit is Unit.USD:
        return nanos
    return event.input + event.output if unit is Unit.TOKENS else 1
