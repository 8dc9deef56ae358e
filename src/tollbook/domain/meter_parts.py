"""What a meter's name says: the way back from `domain/meter.py`, for whoever finds a total and asks whose it is."""

import re
from datetime import UTC, date, datetime, timedelta

import msgspec

from tollbook.domain.meter import ScopeKind, Unit, Window, WindowKind, window_of
from tollbook.domain.window import ZoneCalendar

_SCOPE = re.compile(rf"\|({'|'.join(ScopeKind)})\|")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class MeterParts(msgspec.Struct, frozen=True):
    """Unit, window and scope of a meter; `window` is its name in full, `value` what the scope counts."""

    unit: Unit
    window: str
    scope: ScopeKind
    value: str

    @property
    def kind(self) -> WindowKind:
        """How long the meter counts before it begins anew."""
        return WindowKind(self.window.partition(":")[0])


def parts_of(meter: str) -> MeterParts:
    """The parts of a meter's name; raises `ValueError` where it is none.

    >>> parts_of("calls|minute:29400000|model|gpt-5").value
    'gpt-5'
    >>> parts_of("day:2026-08-01").scope
    <ScopeKind.TENANT: 'tenant'>
    """
    if meter.startswith("day:"):
        return MeterParts(Unit.USD, meter, ScopeKind.TENANT, "")
    unit, _, rest = meter.partition("|")
    # A run's name may hold a bar; a scope between two of them ends the window.
    found = _SCOPE.search(rest)
    if found is None:
        raise ValueError(f"not a meter: {meter!r}")
    return MeterParts(Unit(unit), rest[: found.start()], ScopeKind(found[1]), rest[found.end() :])


def window_named(name: str, calendar: ZoneCalendar) -> Window:
    """The window of that name in a tenant's calendar; raises `ValueError` where no window has it.

    >>> from tollbook.domain.window import calendar_of
    >>> window_named("hour:2026-08-01+9", calendar_of("UTC")).start.hour
    9
    """
    kind, _, rest = name.partition(":")
    match WindowKind(kind):
        case WindowKind.RUN:
            return Window(name, None, None)
        case WindowKind.MINUTE:
            start = _EPOCH + timedelta(minutes=int(rest))
            return Window(name, start, start + timedelta(minutes=1))
        case WindowKind.HOUR:
            text, _, number = rest.partition("+")
            day = calendar.window_of(date.fromisoformat(text))
            found = window_of(WindowKind.HOUR, day.start + timedelta(hours=int(number)), day, calendar)
        case WindowKind.MONTH:
            day = calendar.window_of(date.fromisoformat(f"{rest}-01"))
            found = window_of(WindowKind.MONTH, day.start, day, calendar)
        case WindowKind.DAY | WindowKind.WEEK as days:
            day = calendar.window_of(date.fromisoformat(rest))
            found = window_of(days, day.start, day, calendar)
    if found is None or found.name != name:
        raise ValueError(f"not a window: {name!r}")
    return found
