"""What a call may cost at most, before it is made, and how many output tokens an amount of money buys."""

from collections.abc import Iterator
from typing import NamedTuple

from tollbook.domain.errors import invariant
from tollbook.pricing.quote import CountRates, TokenRates

TOKENS_MAX = 2_000_000_000
"""No call has more of either kind (`IntakeLimits.tokens_max`)."""


class UnitRates(NamedTuple):
    """Whole nano-dollars that no token of a kind costs more than, at any size of the call."""

    input_nanos: int
    output_nanos: int


def upper_nanos(rates: TokenRates, input_tokens: int, output_tokens: int) -> int:
    """The most that a call of up to so many tokens can cost, rounded up.

    Input is taken as uncached. Every tier that a call of this size or a smaller one reaches is looked at, and of output
    and reasoning the dearer rate counts: whoever uses less than was said never pays more.

    >>> rates = CountRates(0, 5_000, 25_000, -4_500, 0, 0, 1_000)
    >>> upper_nanos(TokenRates(None, 0, 1000, rates), 1000, 10)
    5260
    """
    if input_tokens <= rates.first_step:
        exact = _exact(rates.base, input_tokens, output_tokens)
    else:
        exact = max(_exact(level, reach, output_tokens) for level, reach in _levels(rates, input_tokens))
    return -(-exact // rates.divisor)


def output_within(rates: TokenRates, input_tokens: int, nanos: int) -> int:
    """The most output tokens for which `upper_nanos` stays within an amount; -1 where the input alone is above it."""
    fits = TOKENS_MAX
    for level, reach in _levels(rates, input_tokens):
        left = nanos * rates.divisor - _exact(level, reach, 0)
        if left < 0:
            return -1
        per_output = _dearest_output(level)
        if per_output > 0:
            fits = min(fits, left // per_output)
    invariant(upper_nanos(rates, input_tokens, fits) <= nanos, "more output is granted than its money covers")
    return fits


def unit_rates(rates: TokenRates) -> UnitRates:
    """Bounds per token that hold in every tier and for cached tokens; a fixed price a call is not in them."""
    levels = [rates.base, *(level for _, level in rates.steps)]
    return UnitRates(
        max(0, *(-(-_dearest_input(level) // rates.divisor) for level in levels)),
        max(0, *(-(-_dearest_output(level) // rates.divisor) for level in levels)),
    )


class CallPrice:
    """The rates a call may be priced by: those of now, and where they are about to change those of its end."""

    __slots__ = ("_rates",)

    def __init__(self, now: TokenRates, later: TokenRates) -> None:
        self._rates = (now,) if now is later else (now, later)

    def upper_nanos(self, input_tokens: int, output_tokens: int) -> int:
        """The most the call can cost."""
        return max([upper_nanos(rates, input_tokens, output_tokens) for rates in self._rates])

    def output_within(self, input_tokens: int, nanos: int) -> int:
        """The most output tokens that an amount covers; -1 where it does not cover the input."""
        return min([output_within(rates, input_tokens, nanos) for rates in self._rates])

    def unit_rates(self) -> UnitRates:
        """Bounds per token."""
        found = [unit_rates(rates) for rates in self._rates]
        return UnitRates(max(one.input_nanos for one in found), max(one.output_nanos for one in found))


def _dearest_input(level: CountRates) -> int:
    return level.input + max(0, level.cache_read, level.cache_write_5m, level.cache_write_1h)


def _dearest_output(level: CountRates) -> int:
    return level.output + max(0, level.reasoning)


def _exact(level: CountRates, input_tokens: int, output_tokens: int) -> int:
    return level.fixed + input_tokens * level.input + output_tokens * _dearest_output(level)


def _levels(rates: TokenRates, input_tokens: int) -> Iterator[tuple[CountRates, int]]:
    """Each tier that calls of up to so many input tokens reach, with the most input that it prices."""
    until = input_tokens
    for start, level in rates.steps:
        if input_tokens > start:
            yield level, until
            until = min(until, start)
    yield rates.base, until
