"""What a reseller adds to a statement's total: an exact percentage, applied once, rounded once."""

import re
from fractions import Fraction

import msgspec

from tollbook.domain.errors import ConfigError

PERCENT_MIN, PERCENT_MAX = Fraction(-100), Fraction(10_000)
_PERCENT = re.compile(r"([+-]?\d{1,7})(?:\.(\d{1,12})|/([1-9]\d{0,11}))?")
NOTE_CHARS_MAX = 500


class Markup(msgspec.Struct, frozen=True):
    """`percent` as it was written, and what it makes of a total, in nano-dollars."""

    percent: str
    nanos: int


class Terms(msgspec.Struct, frozen=True):
    """What is asked of one statement beside its lines: a percentage on the total, and a note on currency."""

    percent: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        if self.percent is not None:
            percent_of(self.percent)
        if self.note is not None and not (len(self.note) <= NOTE_CHARS_MAX and self.note.isprintable()):
            raise ConfigError(f"a note is one line of up to {NOTE_CHARS_MAX} printable characters")

    def markup(self, total_nanos: int) -> Markup | None:
        """The markup of a total: total times percent over 100, rounded once, half to even.

        >>> Terms(percent="100/3").markup(100), Terms(percent="0.5").markup(300)
        (Markup(percent='100/3', nanos=33), Markup(percent='0.5', nanos=2))
        """
        if self.percent is None:
            return None
        return Markup(self.percent, round(total_nanos * percent_of(self.percent) / 100))


def percent_of(text: str) -> Fraction:
    """The percentage that `12.5` or `100/3` writes; raises `ConfigError` where it is none from -100 to 10,000."""
    found = _PERCENT.fullmatch(text) if text.isascii() else None
    if found is None:
        raise ConfigError("a markup is a percentage such as 12.5 or 100/3")
    percent = Fraction(text)
    if not PERCENT_MIN <= percent <= PERCENT_MAX:
        raise ConfigError(f"a markup lies between {PERCENT_MIN} and {PERCENT_MAX} percent")
    return percent
