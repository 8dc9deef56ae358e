"""Money is a whole number of nano-dollars (1e-9 USD). No float ever touches it."""

from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation
from typing import NewType

Nanos = NewType("Nanos", int)

NANOS_PER_USD = 1_000_000_000
NANOS_PER_CENT = 10_000_000

# 40 digits hold any int64 of nano-dollars with room to spare; InvalidOperation turns overflow into an error.
_EXACT = Context(prec=40, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])


def nanos_from_usd(usd: Decimal | int | str) -> Nanos:
    """Nano-dollars of an amount in dollars, rounded half to even.

    Raises `ValueError` where the text is no finite decimal number.

    >>> nanos_from_usd("0.021")
    21000000
    """
    try:
        amount = Decimal(usd)
        if not amount.is_finite():
            raise ValueError(f"not a finite amount of dollars: {usd!r}")
        scaled = amount.scaleb(9, _EXACT).quantize(Decimal(1), context=_EXACT)
    except (InvalidOperation, Inexact) as error:
        raise ValueError(f"not an amount of dollars: {usd!r}") from error
    return Nanos(int(scaled))


def usd_text(nanos: int) -> str:
    """The amount in dollars with nine decimals, as every `*_usd` field shows it.

    >>> usd_text(21_000_000)
    '0.021000000'
    """
    sign = "-" if nanos < 0 else ""
    dollars, rest = divmod(abs(nanos), NANOS_PER_USD)
    return f"{sign}{dollars}.{rest:09d}"


def cents_of(nanos: int) -> int:
    """Whole cents, rounded half up: what `daily_spend.cents` and `spend:<tenant>:<day>` show.

    >>> cents_of(5_000_000), cents_of(4_999_999)
    (1, 0)
    """
    return (nanos + NANOS_PER_CENT // 2) // NANOS_PER_CENT
