"""Day windows of a tenant: half-open intervals of its local days, each named by one date.

A change of zone takes effect at the next local midnight of the old zone, and the day that begins there keeps
its date until the new zone's midnight that starts the following date. Dates therefore never repeat and never
skip, whatever the zones, and a (tenant, date) pair names exactly one window.
"""

from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec

ONE_DAY = timedelta(days=1)


class DayWindow(msgspec.Struct, frozen=True, gc=False):
    """The local day `day`, from `start` until `end`, both aware and in UTC."""

    day: date
    start: datetime
    end: datetime

    def holds(self, at: datetime) -> bool:
        """Whether the instant lies in `[start, end)`."""
        return self.start <= at < self.end


class ZoneSpan(msgspec.Struct, frozen=True):
    """From local day `first_day` on, days end at midnight of `zone` (an IANA name)."""

    first_day: date
    zone: str


class ZoneCalendar:
    """The days of a tenant whose zone may have changed; the first span reaches back without bound.

    Raises `ValueError` on spans out of order and `zoneinfo.ZoneInfoNotFoundError` on unknown zones.
    """

    def __init__(self, spans: tuple[ZoneSpan, ...]) -> None:
        if not spans or any(a.first_day >= b.first_day for a, b in pairwise(spans)):
            raise ValueError("zone spans must be given, in order, one a day at most")
        self._spans = spans
        self._zones = tuple(ZoneInfo(span.zone) for span in spans)
        self._first_days = tuple(span.first_day for span in spans[1:])

    def _start_of(self, day: date) -> datetime:
        """The instant at which `day` begins: midnight of the zone in force on the day before."""
        zone = self._zones[bisect_right(self._first_days, day - ONE_DAY)]
        return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)

    def window_at(self, at: datetime) -> DayWindow:
        """The window that holds the aware instant `at`."""
        day = at.astimezone(self._zones[-1]).date()
        while self._start_of(day) > at:
            day -= ONE_DAY
        while self._start_of(day + ONE_DAY) <= at:
            day += ONE_DAY
        return self.window_of(day)

    def window_of(self, day: date) -> DayWindow:
        """The window named by `day`."""
        return DayWindow(day, self._start_of(day), self._start_of(day + ONE_DAY))

    def changed(self, zone: str, at: datetime) -> "ZoneCalendar":
        """The calendar after the tenant moves to `zone` at the instant `at`: from the next local day on."""
        first_day = self.window_at(at).day + ONE_DAY
        kept = tuple(span for span in self._spans if span.first_day < first_day)
        return ZoneCalendar((*kept, ZoneSpan(first_day, zone)))

    @property
    def spans(self) -> tuple[ZoneSpan, ...]:
        """What the calendar is made of, oldest first."""
        return self._spans


def calendar_of(zone: str) -> ZoneCalendar:
    """A calendar that has always been in `zone`."""
    return ZoneCalendar((ZoneSpan(date.min, zone),))
