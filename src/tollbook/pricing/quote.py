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
    """A service tier was named that has no price for this model at the time: the cost is the standard one."""


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

    def __post_init__(self) -> None:
        for price in (self.input_usd_per_mtok, self.output_usd_per_mtok):
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

    def cost_nanos(self, counts: TokenCounts, units: Mapping[str, int] | None = None) -> int:  # noqa: ARG002 - not priced yet
        """Price the counts exactly and round once, half to even.

        >>> from tollbook.domain.usage import Usage
        >>> rates = CountRates(0, 5_000_000, 25_000_000, -4_500_000, 0, 0, 0)
        >>> TokenRates(None, 0, 1000, rates).cost_nanos(Usage(input=1000, output=10, cache_read=1000))
        750000
        """
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
