"""Charts as tables: what the script draws is what the table says."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tollbook.views.burndown import BurnDown
from tollbook.views.fleet import Fleet, Moment
from tollbook.views.tenant import Series


class Column(NamedTuple):
    """A column of figures. `role`: '' of what is booked, `before`, `forecast`, `limit`, or `rest` of all others."""

    name: str
    role: str = ""


class Row(NamedTuple):
    """A row: its time as text, and a figure for each column, None where there is none."""

    label: str
    values: Sequence[int | None]


class Chart(NamedTuple):
    """A chart; `over` names its first column."""

    over: str
    columns: list[Column]
    rows: list[Row]


def begun(at: date | datetime, now: datetime) -> bool:
    """Whether an hour has begun."""
    return isinstance(at, datetime) and at <= now


def today_chart(fleet: Fleet) -> Chart:
    """Today as it adds up, beside yesterday, and where it leads at this pace."""
    now = fleet.as_of
    before = _sums(fleet.hours_before)
    rows, used = [], 0
    ahead = _Line(now, fleet.today.cost_nanos, fleet.hours, fleet.forecast.day)
    for number, hour in enumerate(fleet.hours):
        used += hour.cost_nanos
        today = used if begun(hour.at, now) else None
        yesterday = before[number] if number < len(before) else None
        rows.append(Row(f"{hour.at:%H:%M}", (today, yesterday, ahead.at(number))))
    columns = [Column("today"), Column("yesterday", "before"), Column("at this pace", "forecast")]
    if fleet.forecast.day is None:
        return Chart("Until the end of", columns[:2], [row._replace(values=row.values[:2]) for row in rows])
    return Chart("Until the end of", columns, rows)


def days_chart(fleet: Fleet) -> Chart:
    """Spend of each day."""
    rows = [Row(f"{moment.at.day} {moment.at:%b}", (moment.cost_nanos,)) for moment in fleet.days]
    return Chart("Day", [Column("spent")], rows)


def series_chart(series: Series, zone: str) -> Chart:
    """A tenant's spend over time, in the tenant's zone."""
    columns = [Column("all others", "rest") if name is None else Column(name) for name in series.names]
    labels = [_time_label(at, series.step, zone) for at in series.times]
    rows = [Row(label, values) for label, values in zip(labels, series.values, strict=True)]
    return Chart({"hour": "Hour", "day": "Day", "month": "Month"}[series.step], columns, rows)


def burn_chart(burn: BurnDown, zone: str) -> Chart:
    """What is left of a budget, and what will be."""
    rows = [
        Row(_time_label(point.at, "hour" if isinstance(point.at, datetime) else "day", zone), (point.left, point.ahead))
        for point in burn.points
    ]
    return Chart("After", [Column("left"), Column("at this pace", "forecast")], rows)


class _Line:
    """A straight line from what is spent now to what the day comes to."""

    def __init__(self, now: datetime, spent: int, hours: Sequence[Moment], end: int | None) -> None:
        self._now = now
        self._spent = spent
        self._hours = hours
        self._end = end
        self._last = max((number for number, hour in enumerate(hours) if begun(hour.at, now)), default=0)

    def at(self, number: int) -> int | None:
        if self._end is None or number < self._last:
            return None
        steps = len(self._hours) - 1 - self._last
        return self._spent + (self._end - self._spent) * (number - self._last) // steps if steps else self._end


def _sums(moments: Sequence[Moment]) -> list[int]:
    sums, used = [], 0
    for moment in moments:
        used += moment.cost_nanos
        sums.append(used)
    return sums


def _time_label(at: date | datetime, step: str, zone: str) -> str:
    if isinstance(at, datetime):
        local = at.astimezone(ZoneInfo(zone))
        return f"{local.day} {local:%b %H:%M}" if local.hour == 0 else f"{local:%H:%M}"
    return f"{at:%b %Y}" if step == "month" else f"{at.day} {at:%b}"
