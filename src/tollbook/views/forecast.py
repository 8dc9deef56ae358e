"""What is ahead of a total: at its pace of the last one to two hours, until its day and its month end."""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from tollbook.alerting.pace import Grown, seconds_until
from tollbook.domain.window import DayWindow

_HOUR = timedelta(hours=1)


class Forecast(NamedTuple):
    """In nano-dollars; None where the day is too young for a pace. `limit_at`: when the day's limit is reached."""

    per_hour: int | None
    day: int | None
    limit_at: datetime | None


def pace_from(now: datetime) -> datetime:
    """The start of the UTC hour before this one: the pace counts from there, or from the day's own start."""
    return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - _HOUR


def forecast_of(spent: int, recent: int, window: DayWindow, now: datetime, limit: int | None = None) -> Forecast:
    """What a day comes to, of which `recent` was spent since `pace_from(now)`.

    >>> day = DayWindow(date(2026, 11, 8), datetime(2026, 11, 8, tzinfo=UTC), datetime(2026, 11, 9, tzinfo=UTC))
    >>> forecast_of(600, 90, day, datetime(2026, 11, 8, 12, 30, tzinfo=UTC), 1200).day
    1290
    """
    grown = Grown(recent, now - max(window.start, pace_from(now)))
    if not grown.known:
        return Forecast(None, None, None)
    left = max(window.end - now, timedelta())
    seconds = None if limit is None or spent >= limit else seconds_until(limit - spent, grown, left)
    limit_at = None if seconds is None else now + timedelta(seconds=seconds)
    return Forecast(grown.ahead(_HOUR), spent + grown.ahead(left), limit_at)


def month_of(month: int, today: int, day: date, ahead: Forecast) -> int | None:
    """What the month of a day comes to, in nano-dollars: each day after today is like the mean of those before.

    `month` and `today` are what is booked. On the first of a month the days ahead are like today.

    >>> month_of(700, 100, date(2026, 11, 4), Forecast(0, 200, None))
    6000
    """
    if ahead.day is None:
        return None
    before, whole_days = month - today, day.day - 1
    rest = monthrange(day.year, day.month)[1] - day.day
    each = before // whole_days if whole_days and before > 0 else ahead.day
    return before + ahead.day + each * rest
