"""A period of invoicing: a month of a tenant's own days."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import total_ordering

import msgspec

from tollbook.domain.window import ZoneCalendar

_TEXT = re.compile(r"(\d{4})-(\d{2})")


class PeriodBounds(msgspec.Struct, frozen=True):
    """From `start` until `end` (aware, UTC), by the zones whose midnights these are."""

    start: datetime
    end: datetime
    zone: str


@total_ordering
class Period(msgspec.Struct, frozen=True):
    """The month that begins with `first_day`, a first of a month.

    >>> Period.of("2026-11").next.text, Period.of("2026-12").last_day.isoformat()
    ('2026-12', '2026-12-31')
    """

    first_day: date

    def __post_init__(self) -> None:
        if self.first_day.day != 1:
            raise ValueError(f"a period begins on the first of a month, not on {self.first_day}")

    @classmethod
    def of(cls, text: str) -> "Period":
        """The period that `2026-11` names; raises `ValueError` where the text names none."""
        found = _TEXT.fullmatch(text)
        if found is None or not text.isascii():
            raise ValueError(f"not a period, such as 2026-11: {text[:32]!r}")
        year, month = int(found[1]), int(found[2])
        if not (1970 <= year <= 9990 and 1 <= month <= 12):
            raise ValueError(f"not a period, such as 2026-11: {text[:32]!r}")
        return cls(date(year, month, 1))

    @classmethod
    def holding(cls, day: date) -> "Period":
        """The period that a day is in."""
        return cls(day.replace(day=1))

    @property
    def text(self) -> str:
        """As it is written: year and month."""
        return f"{self.first_day:%Y-%m}"

    @property
    def last_day(self) -> date:
        """The last day of the month."""
        return self.next.first_day - timedelta(days=1)

    @property
    def next(self) -> "Period":
        """The month behind this one."""
        return Period.holding(self.first_day + timedelta(days=31))

    def bounds(self, calendar: ZoneCalendar) -> PeriodBounds:
        """Where the month begins and ends for a tenant with this calendar."""
        first, last = calendar.window_of(self.first_day), calendar.window_of(self.last_day)
        zones = dict.fromkeys((calendar.zone_of(self.first_day - timedelta(days=1)), calendar.zone_of(self.last_day)))
        return PeriodBounds(first.start.astimezone(UTC), last.end.astimezone(UTC), ", ".join(zones))

    def __lt__(self, other: "Period") -> bool:
        return self.first_day < other.first_day
