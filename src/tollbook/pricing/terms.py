"""What a call costs with all that it used: units beside the six counts, at the leaf rates of one card."""

from collections.abc import Mapping
from fractions import Fraction
from math import lcm
from typing import NamedTuple, TypeAlias

from tollbook.domain.errors import RejectCode, UnitsRefused
from tollbook.pricing.quote import Quote, QuoteFlag, TokenCounts, TokenRates, divided, exact_nanos, nanos_rounded
from tollbook.pricing.units import COUNTED_UNITS, OTHER_CACHE_WRITES, REQUESTS, Units

AUDIO_UNITS = ("audio_seconds", "input_audio_seconds")
LeafRates: TypeAlias = dict[str, Fraction]
_ZERO = Fraction(0)


class Level(NamedTuple):
    """Whole rates per leaf in `1/divisor` nano-dollars, in calls of more than `start` input tokens."""

    start: int
    rates: dict[str, int]


class Priced(NamedTuple):
    """So many of a unit at so many exact nano-dollars each; `ceiling`: for want of a price."""

    unit: str
    times: int
    nanos_each: Fraction
    ceiling: bool


class _Split(NamedTuple):
    """A call's leaves with their rates, None where nothing prices its content, and the fees without a price."""

    leaves: dict[str, int] | None
    rates: dict[str, int]
    missing: dict[str, int]
    price_id: int | None
    flags: int


class UnitTerms:
    """Prices counts and units together by the prices of one card, or of none.

    A part without a price costs what its whole does. A measure of the content (seconds, pages, characters) without one
    costs nothing where the content is paid by something else. A fee without one costs the ceiling's, and so does a
    measure that nothing else pays for; both are flagged. So is a cache write whose lifetime is priced apart somewhere.
    """

    def __init__(
        self,
        units: Units,
        ceilings: Mapping[str, Fraction],
        *,
        price_id: int | None = None,
        levels: list[tuple[int, LeafRates]] | None = None,
        billed_seconds_min: int = 0,
    ) -> None:
        exact = levels or [(0, {})]
        self._units = units
        self._ceilings = ceilings
        self._price_id = price_id
        self._divisor = lcm(1000, *(rate.denominator for _, rates in exact for rate in rates.values()))
        self._levels = [
            Level(start, {unit: int(rate * self._divisor) for unit, rate in rates.items()}) for start, rates in exact
        ]
        self._priced = frozenset(exact[0][1])
        self._tokens = any(units.is_token(unit) for unit in self._priced)
        self._known = bool(self._priced & (COUNTED_UNITS.keys() | {REQUESTS}))
        self._billed_seconds_min = billed_seconds_min

    @property
    def units(self) -> Units:
        """The registry that the units are looked up in."""
        return self._units

    def quote(self, rates: TokenRates, counts: TokenCounts, units: Mapping[str, int]) -> Quote:
        """Price a call exactly and round once. Raises `UnitsRefused`."""
        split = self._split(rates, counts, units)
        exact = 0
        if split.leaves is not None:
            for unit, leaf in split.leaves.items():
                exact += leaf * split.rates[unit]
            if not split.missing:
                return Quote(divided(exact, self._divisor), split.price_id, split.flags)
        content = exact_nanos(rates, counts) if split.leaves is None else Fraction(exact, self._divisor)
        beside = sum((self._ceilings.get(unit, _ZERO) * count for unit, count in split.missing.items()), _ZERO)
        return Quote(nanos_rounded(content + beside), split.price_id, split.flags)

    def lines(self, rates: TokenRates, counts: TokenCounts, units: Mapping[str, int]) -> list[Priced]:
        """What adds up to the cost, line by line; those of nothing are left out. Raises `UnitsRefused`."""
        split = self._split(rates, counts, units)
        if split.leaves is None:
            per_token = (("input_tokens", counts.input), ("output_tokens", counts.output))
            found = [
                Priced(unit, count, Fraction(rate, rates.divisor), ceiling=True)
                for (unit, count), rate in zip(per_token, (rates.base.input, rates.base.output), strict=True)
            ]
        else:
            found = [
                Priced(unit, leaf, Fraction(split.rates[unit], self._divisor), ceiling=False)
                for unit, leaf in split.leaves.items()
            ]
        found += [
            Priced(unit, count, self._ceilings.get(unit, _ZERO), ceiling=True) for unit, count in split.missing.items()
        ]
        return sorted((line for line in found if line.times), key=lambda line: (line.ceiling, line.unit))

    def _split(self, rates: TokenRates, counts: TokenCounts, units: Mapping[str, int]) -> _Split:
        whole = self._billed(self._units.inclusive(counts, units))
        leaves = self._units.leaves(self._priced, whole)
        for unit, leaf in leaves.items():
            if leaf < 0:
                raise UnitsRefused(
                    RejectCode.UNITS_INCONSISTENT, f"the parts of `{unit}` are {-leaf} more than it: {whole[unit]}"
                )
        missing, flagged = self._unpriced(counts, units, whole)
        flags = rates.flags | (QuoteFlag.UNITS_UNPRICED if flagged else 0)
        if not self._known:
            # Only the card's own units say what the call's content costs; without any, `rates` are the ceiling's.
            if not any(leaves.values()):
                return _Split(None, {}, missing, rates.price_id, int(flags))
            flags &= ~QuoteFlag.UNPRICED
        for level in reversed(self._levels):
            if whole["input_tokens"] > level.start:
                return _Split(leaves, level.rates, missing, self._price_id, int(flags))
        return _Split(leaves, self._levels[0].rates, missing, self._price_id, int(flags))

    def _billed(self, whole: dict[str, int]) -> dict[str, int]:
        whole.setdefault(REQUESTS, 1)
        if self._billed_seconds_min:
            seconds = whole.get(AUDIO_UNITS[0]) or whole.get(AUDIO_UNITS[1]) or 0
            if seconds:
                seconds = max(seconds, self._billed_seconds_min)
            whole.update(dict.fromkeys(AUDIO_UNITS, seconds))
        return whole

    def _unpriced(
        self, counts: TokenCounts, given: Mapping[str, int], whole: Mapping[str, int]
    ) -> tuple[dict[str, int], bool]:
        """The units that the ceiling pays for, and whether anything has no price of its own that ought to have one."""
        units, priced = self._units, self._priced
        missing: dict[str, int] = {}
        flagged = False
        content_paid = (self._tokens or not priced) and (counts.input > 0 or counts.output > 0)
        content_paid = content_paid or any(units.is_measure(unit) and whole.get(unit, 0) for unit in priced)
        for unit, count in given.items():
            if not count or unit in priced or (units.above(unit) & priced and unit not in OTHER_CACHE_WRITES):
                continue
            if unit in OTHER_CACHE_WRITES:
                flagged = True
            elif unit == REQUESTS or units.is_token(unit) or (units.is_measure(unit) and content_paid):
                continue
            else:
                missing[unit] = count
                flagged = True
        if any(units.above(unit) & missing.keys() for unit in missing):
            missing = {unit: count for unit, count in missing.items() if not units.above(unit) & missing.keys()}
        return missing, flagged
