"""Why a call costs what it does: line by line, so that an entry can be checked by hand from the card it names."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

import msgspec

from tollbook.domain.errors import ConfigError
from tollbook.domain.money import NANOS_PER_USD
from tollbook.pricing.cards import (
    CardScope,
    Origin,
    PriceRow,
    RateCard,
    UnitPrice,
    compile_card,
    hours_of,
)
from tollbook.pricing.quote import Ceiling, TokenCounts, TokenRates, ceiling_rates, nanos_rounded
from tollbook.pricing.terms import UnitTerms
from tollbook.pricing.units import Units

_NOT_UNITS = frozenset({"daily_utc", "billed_seconds_min"})
_NO_UNITS: Mapping[str, int] = {}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """`count` of a unit, parts with a line of their own left out, at `usd` per `per`: `nanos` exactly.

    `ceiling` says that the unit has no price and this is what it is taken to cost.
    """

    unit: str
    count: int
    usd: str
    per: int
    nanos: str
    ceiling: bool = False


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A cost taken apart: the lines add up to `exact_nanos`, rounded once, half to even, to `cost_nanos`."""

    price_id: int | None
    flags: int
    lines: list[Line]
    exact_nanos: str
    cost_nanos: int


def explain(rates: TokenRates, counts: TokenCounts, units: Mapping[str, int] | None = None) -> Explanation:
    """Take a call's cost apart. Raises `UnitsRefused` where its units cannot be priced.

    >>> from tollbook.domain.usage import Usage
    >>> row = PriceRow(
    ...     price_id=0, provider="acme", model="m", context={}, effective_from=None, effective_to=None,
    ...     rates={"input_tokens": {"usd": "3", "per": 1000000}},
    ... )
    >>> explain(rates_of(row), Usage(input=7, output=0)).lines[0].nanos
    '21000'
    """
    if not isinstance(rates.terms, UnitTerms):
        raise ConfigError("these rates were not made from a rate card: there is nothing to take apart")
    quote = rates.terms.quote(rates, counts, units or _NO_UNITS)
    lines, exact = [], Fraction(0)
    for line in rates.terms.lines(rates, counts, units or _NO_UNITS):
        per = rates.terms.units.named(line.unit).per
        nanos = line.times * line.nanos_each
        exact += nanos
        lines.append(
            Line(
                unit=line.unit,
                count=line.times,
                usd=fraction_text(line.nanos_each * per / NANOS_PER_USD),
                per=per,
                nanos=fraction_text(nanos),
                ceiling=line.ceiling,
            )
        )
    return Explanation(
        price_id=quote.price_id,
        flags=quote.flags,
        lines=lines,
        exact_nanos=fraction_text(exact),
        cost_nanos=nanos_rounded(exact),
    )


def rates_of(row: PriceRow | None, ceiling: Ceiling | None = None, units: Units | None = None) -> TokenRates:
    """The rates of a card that the ledger kept, or the ceiling's where an entry names none (None).

    A fee that the card does not price costs `ceiling`'s: give the one that was in force. `units` spares many calls the
    making of a registry each.
    """
    units, taken = units or Units(), ceiling or Ceiling()
    ceilings = {unit: Fraction(usd) * NANOS_PER_USD / units.named(unit).per for unit, usd in taken.units.items()}
    unpriced = msgspec.structs.replace(ceiling_rates(taken), terms=UnitTerms(units, ceilings))
    if row is None:
        return unpriced
    card = card_of(row, units, ceilings)
    return card.tokens or msgspec.structs.replace(unpriced, terms=card.terms)


def card_of(row: PriceRow, units: Units, ceilings: Mapping[str, Fraction]) -> RateCard:
    """The card whose row this is: compiling it anew gives the same `price_id`, or the row was not written by us."""
    scope = CardScope(
        provider=row.provider,
        model=row.model,
        context=tuple(sorted(row.context.items())),
        effective_from=row.effective_from,
        effective_to=row.effective_to,
        daily_utc=hours_of(row),
        billed_seconds_min=row.rates.get("billed_seconds_min", 0),
        origin=Origin(row.origin),
        factors=tuple((factor["name"], Decimal(factor["factor"])) for factor in row.factors),
    )
    prices = tuple(
        UnitPrice(
            unit=unit,
            per=shown["per"],
            usd=Decimal(shown["usd"]),
            tiers=tuple((tier["input_tokens_over"], Decimal(tier["usd"])) for tier in shown.get("tiers", ())),
            like=shown.get("like", ""),
        )
        for unit, shown in row.rates.items()
        if unit not in _NOT_UNITS
    )
    return compile_card(scope, prices, units, ceilings)


def fraction_text(exact: Fraction) -> str:
    """An exact amount as decimal text; as a fraction in lowest terms where no decimal is exact.

    >>> fraction_text(Fraction(3, 8)), fraction_text(Fraction(1, 3))
    ('0.375', '1/3')
    """
    rest = exact.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return str(exact)
    scale = 0
    while (exact * 10**scale).denominator != 1:
        scale += 1
    digits = str(int(exact * 10**scale)).rjust(scale + 1, "0")
    return f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits
