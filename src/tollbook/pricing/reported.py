"""A cost that the provider or the sender reported, judged against the computed one: kept beside, never instead."""

from decimal import Decimal
from enum import Enum
from fractions import Fraction

from tollbook.domain.errors import invariant

ROUNDING_NANOS = 1_000
"""Reports are rounded, some to a millionth of a dollar: a difference up to that much says nothing."""


class Reported(Enum):
    """What a reported cost says of the computed one."""

    AGREES = "agrees"
    LOWER = "lower"
    HIGHER = "higher"


def judge_reported(computed_nanos: int, reported_nanos: int, share: Decimal) -> Reported:
    """Whether a report differs by more than a share of the larger of both; LOWER and HIGHER are the report's side.

    Of the larger, so that the same two amounts are judged alike whichever of them is wrong. `share` is from 0 to 1.

    >>> judge_reported(1_000_000, 951_000, Decimal("0.05")), judge_reported(1_000_000, 949_000, Decimal("0.05"))
    (<Reported.AGREES: 'agrees'>, <Reported.LOWER: 'lower'>)
    """
    invariant(computed_nanos >= 0 and reported_nanos >= 0, "a cost is negative")
    invariant(0 <= share <= 1, "a share lies between 0 and 1")
    apart = abs(computed_nanos - reported_nanos)
    if apart <= ROUNDING_NANOS or apart <= Fraction(share) * max(computed_nanos, reported_nanos):
        return Reported.AGREES
    return Reported.LOWER if reported_nanos < computed_nanos else Reported.HIGHER
