"""Meters: one unit of one scope in one window of one tenant, named so that the name says all of it.

A name is `<unit>|<window>|<scope>|<value>`; `docs/rooms/gate.md` gives the grammar. Windows other than the tenant's
day are functions of the instant and of its day window alone, so SQL names them the same way without knowing any zone.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum

import msgspec

from tollbook.domain.agent import roles as roles_of
from tollbook.domain.window import DayWindow, ZoneCalendar

_EPOCH_MINUTE = timedelta(minutes=1)
_ONE_HOUR = timedelta(hours=1)


class Unit(StrEnum):
    """What a meter counts: nano-dollars, tokens (input + output) or calls."""

    USD = "usd"
    TOKENS = "tokens"
    CALLS = "calls"


class ScopeKind(StrEnum):
    """Where spend counts."""

    TENANT = "tenant"
    AGENT = "agent"
    RUN = "run"
    INSTANCE = "instance"
    MODEL = "model"
    TAG = "tag"


class WindowKind(StrEnum):
    """How long a meter counts before it begins anew; `run` never does."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    RUN = "run"


class Attribution(msgspec.Struct, frozen=True):
    """What a call is attributed to. `agent` is a path of `role` or `role#instance`; no call has an empty one."""

    agent: str
    model: str
    run: str | None = None
    tags: Mapping[str, str] | None = None

    def scopes(self) -> Iterator[tuple[ScopeKind, str]]:
        """Every scope the call counts in, as (kind, value): itself and, for paths, each ancestor.

        >>> [value for kind, value in Attribution("planner/fetch#2", "m", "r1").scopes() if kind == "instance"]
        ['r1/planner', 'r1/planner/fetch#2']
        """
        yield ScopeKind.TENANT, ""
        for path in _prefixes(roles_of(self.agent)):
            yield ScopeKind.AGENT, path
        if self.run is not None:
            yield ScopeKind.RUN, self.run
            for path in _prefixes(self.agent):
                yield ScopeKind.INSTANCE, f"{self.run}/{path}"
        yield ScopeKind.MODEL, self.model
        for key, value in (self.tags or {}).items():
            yield ScopeKind.TAG, f"{key}={value}"


def _prefixes(path: str) -> Iterator[str]:
    at = path.find("/")
    while at != -1:
        yield path[:at]
        at = path.find("/", at + 1)
    yield path


class Window(msgspec.Struct, frozen=True, gc=False):
    """A window by name, with its bounds: aware, UTC, half-open; `end` is None for a run."""

    name: str
    start: datetime | None
    end: datetime | None


def window_of(
    kind: WindowKind, at: datetime, day: DayWindow, calendar: ZoneCalendar, run: str | None = None
) -> Window | None:
    """The window of a kind that holds the instant `at`, which lies in `day`; None for a run window without a run.

    Hours count from the local midnight that began the day, so they keep to the clock's hours in every zone whose offset
    changes by whole hours, and a day's last one ends with the day.
    """
    match kind:
        case WindowKind.MINUTE:
            number = int(at.timestamp()) // 60
            start = at.fromtimestamp(number * 60, tz=at.tzinfo)
            return Window(f"minute:{number}", start, start + _EPOCH_MINUTE)
        case WindowKind.HOUR:
            number = (at - day.start) // _ONE_HOUR
            start = day.start + number * _ONE_HOUR
            return Window(f"hour:{day.day.isoformat()}+{number}", start, min(start + _ONE_HOUR, day.end))
        case WindowKind.DAY:
            return Window(f"day:{day.day.isoformat()}", day.start, day.end)
        case WindowKind.WEEK:
            monday = day.day - timedelta(days=day.day.weekday())
            return _of_days(f"week:{monday.isoformat()}", monday, monday + timedelta(days=7), calendar)
        case WindowKind.MONTH:
            first = day.day.replace(day=1)
            following = (first + timedelta(days=32)).replace(day=1)
            return _of_days(f"month:{first:%Y-%m}", first, following, calendar)
        case WindowKind.RUN:
            return None if run is None else Window(f"run:{run}", None, None)


def _of_days(name: str, first: date, following: date, calendar: ZoneCalendar) -> Window:
    return Window(name, calendar.window_of(first).start, calendar.window_of(following).start)


def meter_name(unit: Unit, window: str, scope: ScopeKind, value: str) -> str:
    """The meter's name; the tenant's day in dollars keeps the name it has in the journal, `day:<date>`.

    >>> meter_name(Unit.CALLS, "minute:29400000", ScopeKind.MODEL, "gpt-5")
    'calls|minute:29400000|model|gpt-5'
    """
    if unit is Unit.USD and scope is ScopeKind.TENANT and window.startswith("day:"):
        return window
    return f"{unit.value}|{window}|{scope.value}|{value}"


def is_run_window(meter: str) -> bool:
    """Whether the meter has no end: missing in Valkey it is to be read from the ledger."""
    return "|run:" in meter and meter.split("|", 2)[1].startswith("run:")
