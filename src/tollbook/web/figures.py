"""How figures are written for people: exact values stand beside them, in the markup."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tollbook.domain.money import NANOS_PER_USD, nanos_from_usd, usd_text

_PLACES_SMALL = 4
_COMPACT = ((1_000, "k"), (1_000_000, "M"), (1_000_000_000, "B"))
_STEADY_PERMILLE = 10
_MANY = 10
_NAME_CHARS = 48


class Trend(NamedTuple):
    """How a figure stands beside an earlier one: `way` is up, down, same, new, or times where it is many times that."""

    way: str
    text: str


def money(nanos: int) -> str:
    """Dollars to look at: two places from a dollar on, four below, all of them below a hundredth of a cent.

    >>> money(1_234_567_890_123), money(21_000_000), money(150_000), money(1_500), money(0), money(-2_500_000_000)
    ('$1,234.57', '$0.0210', '$0.0002', '$0.0000015', '$0.00', '-$2.50')
    """
    sign, size = ("-" if nanos < 0 else ""), abs(nanos)
    if size == 0:
        return "$0.00"
    if size >= NANOS_PER_USD:
        cents = _rounded(size, NANOS_PER_USD // 100)
        return f"{sign}${cents // 100:,}.{cents % 100:02d}"
    if size >= NANOS_PER_USD // 10**_PLACES_SMALL:
        return f"{sign}$0.{min(_rounded(size, NANOS_PER_USD // 10**_PLACES_SMALL), 9_999):04d}"
    return f"{sign}${usd_text(size).rstrip('0')}"


def count(number: int) -> str:
    """A whole number with its thousands parted.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{number:,}"


def compact(number: int) -> str:
    """A whole number in at most four characters or so.

    >>> compact(950), compact(12_345), compact(999_999), compact(4_500_000)
    ('950', '12.3k', '1M', '4.5M')
    """
    if abs(number) < _COMPACT[0][0]:
        return f"{number:,}"
    sign = "-" if number < 0 else ""
    for unit, letter in _COMPACT:
        tenths = _rounded(abs(number), unit // 10)
        # What would be a thousand of a unit is one of the next.
        if tenths < 10_000:
            return f"{sign}{tenths // 10}.{tenths % 10}{letter}".replace(".0", "")
    return f"{number:,}"


def percent(part: int, whole: int) -> str:
    """A share in per cent, one place below ten.

    >>> percent(1, 3), percent(1, 40), percent(5, 0), percent(1, 100_000)
    ('33 %', '2.5 %', '-', '<0.1 %')
    """
    if whole <= 0:
        return "-"
    permille = _rounded(part * 1000, whole)
    if permille == 0 and part > 0:
        return "<0.1 %"
    if permille < 100:
        return f"{permille // 10}.{permille % 10} %".replace(".0 %", " %")
    return f"{_rounded(part * 100, whole)} %"


def trend(now: int, before: int) -> Trend:
    """How a figure has changed, in per cent of the earlier one.

    >>> trend(150, 100), trend(1_500, 100).text, trend(100, 0).way, trend(0, 0).way
    (Trend(way='up', text='50 %'), '15', 'new', 'same')
    """
    if before <= 0:
        return Trend("new" if now > 0 else "same", "")
    if now >= before * _MANY:
        return Trend("times", f"{now // before:,}")
    change = _rounded((now - before) * 1000, before)
    if abs(change) < _STEADY_PERMILLE:
        return Trend("same", percent(abs(now - before), before))
    return Trend("up" if change > 0 else "down", percent(abs(now - before), before))


def day_text(day: date) -> str:
    """A day as people write it in a table.

    >>> day_text(date(2026, 11, 8))
    '8 Nov'
    """
    return f"{day.day} {day:%b}"


def clock_text(at: datetime, zone: str = "UTC") -> str:
    """An instant on the clock of a zone.

    >>> clock_text(datetime(2026, 11, 8, 13, 5, tzinfo=UTC), "Asia/Kolkata")
    '8 Nov 18:35'
    """
    local = at.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %H:%M}"


def instant(at: datetime) -> str:
    """An instant for programs."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def lasted(seconds: float) -> str:
    """A length of time.

    >>> lasted(0.24), lasted(75), lasted(7_300), lasted(200_000)
    ('0.2 s', '1 min', '2 h', '2 d')
    """
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{int(seconds // unit)} {name}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def at_text(text: str) -> str:
    """An instant of RFC 3339 as people read it in a table, in UTC to the second.

    >>> at_text("2026-11-08T13:05:07.25Z")
    '8 Nov 13:05:07'
    """
    at = datetime.fromisoformat(text).astimezone(UTC)
    return f"{at.day} {at:%b %H:%M:%S}"


def day_of(text: str) -> str:
    """The day and minute of an instant of RFC 3339, with its year, in UTC.

    >>> day_of("2026-11-08T13:05:07Z")
    '8 Nov 2026 13:05'
    """
    at = datetime.fromisoformat(text).astimezone(UTC)
    return f"{at.day} {at:%b %Y %H:%M}"


def took(first: str, last: str) -> str:
    """The length of time between two instants of RFC 3339.

    >>> took("2026-11-08T13:05:07Z", "2026-11-08T13:05:08.5Z")
    '1.5 s'
    """
    return lasted((datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds())


def _rounded(size: int, unit: int) -> int:
    """Half to even, in whole numbers."""
    whole, rest = divmod(size, unit)
    return whole + (2 * rest > unit or (2 * rest == unit and whole % 2 == 1))


_ALERTS = {
    "budget.threshold": ("warn", "threshold"),
    "budget.burn_rate": ("warn", "limit ahead"),
    "throttle.set": ("bad", "throttled"),
    "throttle.cleared": ("good", "free again"),
    "model.unpriced": ("warn", "no price"),
}


def alert_badge(kind: str) -> tuple[str, str]:
    """How an alert is marked: what its colour means, and its word; one of a later kind bears its own name.

    >>> alert_badge("throttle.set"), alert_badge("source.gap")
    (('bad', 'throttled'), ('warn', 'source gap'))
    """
    return _ALERTS.get(kind, ("warn", kind.replace(".", " ").replace("_", " ")))


def named(name: str) -> str:
    """A name from outside within a sentence: cut where it is long, and apart from the sentence's own direction.

    >>> named("acme") == "\u2068acme\u2069", len(named("x" * 300))
    (True, 50)
    """
    cut = name if len(name) <= _NAME_CHARS else f"{name[: _NAME_CHARS - 1]}…"
    return f"\u2068{cut}\u2069"


FILTERS: dict[str, Callable[..., object]] = {
    "money": money,
    "usd": usd_text,
    "count": count,
    "compact": compact,
    "percent": percent,
    "trend": trend,
    "day": day_text,
    "clock": clock_text,
    "instant": instant,
    "lasted": lasted,
    "nanos": nanos_from_usd,
    "at": at_text,
    "days": day_of,
    "took": took,
    "alert_badge": alert_badge,
}
