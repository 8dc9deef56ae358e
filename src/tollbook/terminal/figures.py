"""Amounts, counts, shares and little charts as text. Money is whole nano-dollars up to the last step."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from tollbook.domain.money import NANOS_PER_USD

_LEVELS = "▁▂▃▄▅▆▇█"
_LEVELS_PLAIN = "_.-=+*#@"
_NONE = "·"
_PARTS = " ▏▎▍▌▋▊▉"
_SCALES = ((1_000_000_000_000, "T"), (1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k"))


def usd(nanos: int, places: int | None = None) -> str:
    """Dollars for the eye: cents from a dollar on, else four places; what is too small for them says so.

    >>> usd(1_234_567_890_000), usd(345_600_000), usd(4_000)
    ('$1,234.57', '$0.3456', '<$0.0001')
    """
    if places is None:
        places = 2 if not nanos or abs(nanos) >= NANOS_PER_USD else 4
    unit = int(10 ** (9 - places))
    steps = (abs(nanos) + unit // 2) // unit
    sign = "-" if nanos < 0 else ""
    if nanos and not steps:
        return f"{'-' if nanos < 0 else '<'}${'0.' + '0' * (places - 1) + '1'}"
    dollars, rest = divmod(steps, 10**places)
    return f"{sign}${dollars:,}.{rest:0{places}d}" if places else f"{sign}${dollars:,}"


def places_for(amounts: Iterable[int]) -> int:
    """How many places a column of amounts needs: two where every amount is none or more than a dollar, else four."""
    return 2 if all(not nanos or abs(nanos) >= NANOS_PER_USD for nanos in amounts) else 4


def count(number: int) -> str:
    """A count of at most six characters.

    >>> count(9_999), count(12_345), count(1_234_567)
    ('9,999', '12.3k', '1.23M')
    """
    for index, (scale, letter) in enumerate(_SCALES):
        if abs(number) >= (10_000 if letter == "k" else scale):
            places = 2 if abs(number) < 10 * scale else 1 if abs(number) < 100 * scale else 0
            text = f"{number / scale:.{places}f}"
            if abs(float(text)) >= 1_000 and index:
                larger, mark = _SCALES[index - 1]
                return f"{number / larger:.2f}{mark}"
            return f"{text}{letter}"
    return f"{number:,}"


def share(portion: int, whole: int) -> float | None:
    """A part of a whole, None where there is no whole."""
    return portion / whole if whole > 0 else None


def percent(fraction: float | None) -> str:
    """A share as whole per cent; what is neither nothing nor all is shown as neither.

    >>> percent(0.5), percent(0.9999), percent(0.0001), percent(None)
    ('50%', '>99%', '<1%', '')
    """
    if fraction is None:
        return ""
    rounded = round(fraction * 100)
    if rounded == 0 and fraction > 0:
        return "<1%"
    return ">99%" if rounded == 100 and fraction < 1 else f"{rounded}%"


def bar(fraction: float, width: int, *, plain: bool = False) -> str:
    """A bar of exactly a width, filled by a share between 0 and 1 to an eighth of a column; what is more fills it.

    >>> bar(0.5, 3)
    '█▌ '
    """
    eighths = round(min(max(fraction, 0.0), 1.0) * width * 8)
    if eighths == 0 and fraction > 0:
        eighths = 1
    whole, rest = divmod(eighths, 8)
    if plain:
        return ("#" * (whole + (rest >= 4))).ljust(width)
    return ("█" * whole + (_PARTS[rest] if rest else "")).ljust(width)


def sparkline(values: Sequence[int], *, plain: bool = False) -> str:
    """The course of amounts, the largest at full height; a dot where there was none.

    >>> sparkline([0, 1, 4, 8])
    '·▁▄█'
    """
    top = max(values, default=0)
    levels = _LEVELS_PLAIN if plain else _LEVELS
    none = " " if plain else _NONE
    if top <= 0:
        return none * len(values)
    return "".join(levels[max(0, (value * 8 + top - 1) // top - 1)] if value > 0 else none for value in values)


def condensed(values: Sequence[int], width: int) -> list[int]:
    """A course of at most a width: neighbours are added up, so that nothing of it goes missing."""
    if len(values) <= width:
        return list(values)
    step = -(-len(values) // width)
    return [sum(values[at : at + step]) for at in range(0, len(values), step)]


def moment(text: str) -> datetime:
    """An instant of the API."""
    return datetime.fromisoformat(text).astimezone(UTC)


def span(seconds: float) -> str:
    """A length of time in its two largest units.

    >>> span(7_260), span(59)
    ('2h 01m', '59s')
    """
    whole = max(0, int(seconds))
    days, hours, minutes = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60
    if days:
        return f"{days}d {hours:02d}h"
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {whole % 60:02d}s" if minutes else f"{whole}s"
