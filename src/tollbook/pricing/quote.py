"""What a call costs: integer rates over the six counts, and the only rounding of the ledger."""

from collections.abc import Mapping
from decimal import Decimal
from enum import IntFlag
from fractions import Fraction
from math import lcm
from typing import NamedTuple, Protocol

import msgspec

from tollbook.domain.errors import ConfigError, invariant, unreachable
from tollbook.domain.money import NANOS_PER_USD


class QuoteFlag(IntFlag):
    """What a reader of a quote has to know beside its cost.

    Bits of `Quote.flags`; they are stored, so never renumbered.
    """

    UNPRICED = 1
    """No price is known for the call: the cost is the configured ceiling's, and `price_id` is None."""
    CONTEXT_UNKNOWN = 2
    """A service tier or another context was named that has no price for this model at the time: the cost is the
    standard one."""
    UNITS_UNPRICED = 4
    """Something beside the tokens has no price: a fee is the ceiling's, a cache write's lifetime costs as any other."""


UNIT_CEILINGS: Mapping[str, Decimal] = {
    "input_characters": Decimal(40),
    "input_text_messages": Decimal(4),
    "audio_seconds": Decimal("4.8"),
    "input_audio_seconds": Decimal("4.8"),
    "output_audio_seconds": Decimal("4.8"),
    "input_pixels": Decimal(40),
    "input_document_pages": Decimal(4),
    "input_annotated_document_pages": Decimal(5),
    "rerank_searches": Decimal(2),
    "web_searches": Decimal(35),
    "social_searches": Decimal(35),
    "web_fetches": Decimal(35),
    "storage_searches": Decimal("2.5"),
    "file_searches": Decimal("2.5"),
    "code_executions": Decimal(30),
}
"""Dollars per as many units as the data prices them by (docs/prices.md): the dearest list price of the data.

Where the data has none: the other kind of search for social searches and fetches; $0.03 a container for code, Cohere's
$2 a thousand searches for ranking, and $0.04 a square megapixel for pictures, all of them list prices once published.
"""


class Quote(msgspec.Struct, frozen=True, gc=False):
    """The cost of one call in whole nano-dollars, the rate card it came from, and `QuoteFlag` bits."""

    cost_nanos: int
    price_id: int | None
    flags: int


class Ceiling(msgspec.Struct, frozen=True, kw_only=True):
    """What an unpriced call is taken to cost, in dollars per million tokens.

    The default is the 99th percentile of the bundled list prices: of a hundred models with a price one is
    dearer. An unknown model is thus rarely undercounted, and one surprise does not close a budget alone.
    """

    input_usd_per_mtok: Decimal = Decimal(20)
    output_usd_per_mtok: Decimal = Decimal(80)
    units: Mapping[str, Decimal] = msgspec.field(default_factory=lambda: dict(UNIT_CEILINGS))
    """What stands beside tokens, in dollars per as many as the data prices it by (`UNIT_CEILINGS`)."""

    def __post_init__(self) -> None:
        for price in (self.input_usd_per_mtok, self.output_usd_per_mtok, *self.units.values()):
            if not price.is_finite() or price < 0:
                raise ConfigError(f"a ceiling is a finite price of zero or more, not {price}")


class TokenCounts(Protocol):
    """The six counts of a call with inclusive parents; `Usage` and `Event` both have them."""

    @property
    def input(self) -> int:
        """All prompt tokens."""

    @property
    def output(self) -> int:
        """All generated tokens."""

    @property
    def cache_read(self) -> int:
        """Those of `input` read from a cache."""

    @property
    def cache_write_5m(self) -> int:
        """Those of `input` written to a cache for five minutes, or for the provider's usual time."""

    @property
    def cache_write_1h(self) -> int:
        """Those of `input` written to a cache for an hour."""

    @property
    def reasoning(self) -> int:
        """Those of `output` spent on reasoning."""


class CountRates(NamedTuple):
    """Signed coefficients over the inclusive counts, above one threshold of `input`.

    A cache read carries (its price - the input price), because `input` already counted it once.
    """

    fixed: int
    input: int
    output: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    reasoning: int


class UnitPricing(Protocol):
    """Prices what a call used beside its six counts; `terms.UnitTerms` does."""

    def quote(self, rates: "TokenRates", counts: TokenCounts, units: Mapping[str, int]) -> Quote:
        """Price the counts and the units together. Raises `UnitsRefused` where they say nothing consistent."""


NO_STEP = 1 << 62
"""A threshold that no count passes; stands where a card has no tiers."""


class TokenRates(msgspec.Struct, frozen=True, gc=False):
    """The rates of one card in `1/divisor` nano-dollars, with what every quote from it carries.

    `divisor` is 1000 (so rates are pico-dollars) unless a price is no whole number of them; then it is the
    least common denominator, and the rates stay exact.
    """

    price_id: int | None
    flags: int
    divisor: int
    base: CountRates
    first_step: int = NO_STEP
    steps: tuple[tuple[int, CountRates], ...] = ()
    """(input tokens that must be passed, the rates then), dearest threshold first. The whole call moves."""
    terms: UnitPricing | None = None
    """What prices units beside the six counts; without it they are flagged and cost nothing more."""

    def quote(self, counts: TokenCounts, units: Mapping[str, int] | None = None) -> Quote:
        """Price a call with all that it used. Raises `UnitsRefused` where `units` say nothing consistent."""
        if not units:
            return Quote(self.cost_nanos(counts), self.price_id, self.flags)
        if self.terms is None:
            return Quote(self.cost_nanos(counts), self.price_id, self.flags | QuoteFlag.UNITS_UNPRICED)
        return self.terms.quote(self, counts, units)

    def cost_nanos(self, counts: TokenCounts, units: Mapping[str, int] | None = None) -> int:
        """Price the counts exactly and round once, half to even.

        With `units`, what stands beside the tokens is priced too; `quote` also tells its flags.

        >>> from tollbook.domain.usage import Usage
        >>> rates = CountRates(0, 5_000_000, 25_000_000, -4_500_000, 0, 0, 0)
        >>> TokenRates(None, 0, 1000, rates).cost_nanos(Usage(input=1000, output=10, cache_read=1000))
        750000
        """
        if units:
            return self.quote(counts, units).cost_nanos
        rates = self.base
        prompt = counts.input
        if prompt > self.first_step:
            rates = next(step for start, step in self.steps if prompt > start)
        fixed, per_input, per_output, per_read, per_write_5m, per_write_1h, per_reasoning = rates
        exact = (
            fixed
            + prompt * per_input
            + counts.output * per_output
            + counts.cache_read * per_read
            + counts.cache_write_5m * per_write_5m
            + counts.cache_write_1h * per_write_1h
            + counts.reasoning * per_reasoning
        )
        if exact < 0:
            unreachable("a cost is negative: the counts' parts exceed their whole")
        divisor = self.divisor
        nanos = exact // divisor
        doubled = 2 * (exact - nanos * divisor)
        if doubled > divisor or (doubled == divisor and nanos & 1):
            nanos += 1
        return nanos


def exact_nanos(rates: TokenRates, counts: TokenCounts) -> Fraction:
    """What the six counts cost before the rounding."""
    level = next((step for start, step in rates.steps if counts.input > start), rates.base)
    fixed, *per_count = level
    six = (
        counts.input,
        counts.output,
        counts.cache_read,
        counts.cache_write_5m,
        counts.cache_write_1h,
        counts.reasoning,
    )
    return Fraction(fixed + sum(rate * count for rate, count in zip(per_count, six, strict=True)), rates.divisor)


def divided(exact: int, divisor: int) -> int:
    """Round `exact / divisor`, not negative, to a whole number, half to even.

    >>> divided(5, 2), divided(7, 2), divided(0, 3)
    (2, 4, 0)
    """
    nanos, rest = divmod(exact, divisor)
    if 2 * rest > divisor or (2 * rest == divisor and nanos & 1):
        nanos += 1
    return nanos


def nanos_rounded(exact_nanos: Fraction) -> int:
    """Round an exact, non-negative amount to whole nano-dollars, half to even."""
    invariant(exact_nanos >= 0, "a cost is negative")
    return round(exact_nanos)


def token_rates(price_id: int | None, levels: list[tuple[int, tuple[Fraction, ...]]]) -> TokenRates:
    """Put exact rates over one divisor.

    `levels` are (input tokens that must be passed, nano-dollars per count in the order of `CountRates`),
    lowest threshold first; the first level's threshold is not read.
    """
    divisor = lcm(1000, *(rate.denominator for _, rates in levels for rate in rates))
    compiled = [(start, CountRates(*(int(rate * divisor) for rate in rates))) for start, rates in levels]
    steps = tuple(reversed(compiled[1:]))
    first_step = compiled[1][0] if steps else NO_STEP
    return TokenRates(price_id, 0, divisor, compiled[0][1], first_step, steps)


def ceiling_rates(ceiling: Ceiling) -> TokenRates:
    """The rates of calls without a price: every prompt token at the ceiling's input price, cached or not."""
    per_input = Fraction(ceiling.input_usd_per_mtok) * NANOS_PER_USD / 1_000_000
    per_output = Fraction(ceiling.output_usd_per_mtok) * NANOS_PER_USD / 1_000_000
    zero = Fraction(0)
    rates = token_rates(None, [(0, (zero, per_input, per_output, zero, zero, zero, zero))])
    return msgspec.structs.replace(rates, flags=int(QuoteFlag.UNPRICED))
