"""The units that calls are priced by: genai-prices' and our own, which of them our six counts fill, how they nest."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from genai_prices.data_units import unit_data
from genai_prices.units import UnitDef, UnitRegistry
from genai_prices.validation import validate_priced_units

from tollbook.domain.errors import ConfigError, RejectCode, UnitsRefused
from tollbook.pricing.quote import TokenCounts

REQUESTS = "requests"
"""The unit that every call uses exactly once."""

COUNTED_UNITS: Mapping[str, tuple[str, ...]] = {
    "input_tokens": ("input",),
    "output_tokens": ("output",),
    "cache_read_tokens": ("cache_read",),
    "cache_write_tokens": ("cache_write_5m", "cache_write_1h"),
    "cache_write_5m_tokens": ("cache_write_5m",),
    "cache_write_1h_tokens": ("cache_write_1h",),
    "output_reasoning_tokens": ("reasoning",),
}
"""Unit -> the counts whose sum it is. All other units are zero in a call that reports the six counts."""

COUNTS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "reasoning")

_MODALITIES = ("text", "audio", "image", "video")

UNCOUNTED_UNITS = frozenset(
    [
        *(f"{direction}_{modality}_tokens" for direction in ("input", "output") for modality in _MODALITIES),
        *(
            f"cache_{modality}_{use}_tokens"
            for modality in _MODALITIES
            for use in ("read", "write", "write_5m", "write_1h")
        ),
        "input_tool_tokens",
        *(f"input_{modality}_tool_tokens" for modality in _MODALITIES),
        *(f"output_{modality}_reasoning_tokens" for modality in _MODALITIES),
        "output_citation_tokens",
        *(f"output_{modality}_citation_tokens" for modality in _MODALITIES),
        "input_characters",
        "input_text_messages",
        "audio_seconds",
        "input_audio_seconds",
        "output_audio_seconds",
        "input_pixels",
        "input_document_pages",
        "input_annotated_document_pages",
        "rerank_searches",
        "web_searches",
        "social_searches",
        "storage_searches",
        "code_executions",
        REQUESTS,
    ]
)
"""Units that only `Event.units` fills. A test compares both lists with the registry of the data."""


def _cache_writes(ttl: str) -> dict[str, dict[str, Any]]:
    """The unit of cache writes of one lifetime, and its joins with the modalities, as the data has them for 1h."""
    whole = {"family": "tokens", "direction": "input", "token_type": "cache_write", "cache_ttl": ttl}
    units = {f"cache_write_{ttl}_tokens": (f"cache_write_{ttl}_mtok", whole)}
    for modality in _MODALITIES:
        name = f"cache_{modality}_write_{ttl}"
        units[f"{name}_tokens"] = (f"{name}_mtok", {**whole, "modality": modality})
    return {unit: {"per": 1_000_000, "price_key": key, "dimensions": where} for unit, (key, where) in units.items()}


def _tool(name: str, tool_type: str) -> dict[str, dict[str, Any]]:
    dimensions = {"family": "tool_calls", "tool_type": tool_type}
    return {name: {"per": 1_000, "price_key": f"{name}_kcount", "dimensions": dimensions}}


OWN_UNITS: Mapping[str, Mapping[str, Any]] = {
    **_cache_writes("30m"),
    **_cache_writes("12h"),
    **_tool("web_fetches", "web_fetch"),
    **_tool("file_searches", "file_search"),
}
"""Units that providers bill and the data lacks, in the data's own form. `cards.default_prices` says what they cost."""

OTHER_CACHE_WRITES = ("cache_write_30m_tokens", "cache_write_12h_tokens")
"""Parts of `cache_write_5m`, which counts every write of a provider's usual or of no other known lifetime."""

FEE_FAMILIES = frozenset({"tool_calls", "rerank", "requests"})
"""Units of these are charged beside the content of a call; all others but tokens are another measure of the content."""

UNIT_COUNT_MAX = 1_000_000_000_000_000
"""Per unit and event: a picture has a billion pixels at most, and a cost of it stays an exact 8-byte number."""


def units_of(counts: TokenCounts) -> dict[str, int]:
    """The six counts as units of the price data.

    >>> from tollbook.domain.usage import Usage
    >>> units_of(Usage(input=9, output=1, cache_write_5m=2, cache_write_1h=3))["cache_write_tokens"]
    5
    """
    return {unit: sum(getattr(counts, count) for count in parts) for unit, parts in COUNTED_UNITS.items()}


_PLANS_MAX = 4_096
"""Sets of reported units remembered; senders choose them, so they are bounded."""


class _Plan(NamedTuple):
    """What which units an event reports decides: wholes to fill in with their parts, what lies within what, and the
    overlaps that were not reported."""

    wholes: tuple[tuple[str, tuple[str, ...], bool], ...]
    nested: tuple[tuple[str, str], ...]
    joins: tuple[tuple[str, str, str, str], ...]
    other_writes: tuple[str, ...]


class Units:
    """The registry of units: finds the unit of a price, and turns nested prices into rates."""

    def __init__(self) -> None:
        clashes = OWN_UNITS.keys() & unit_data.keys()
        if clashes:
            raise ConfigError(f"the price data now has units of our own: {', '.join(sorted(clashes))}")
        self._registry = UnitRegistry({**unit_data, **OWN_UNITS})
        self._valid: set[frozenset[str]] = set()
        self._plans: dict[frozenset[str], _Plan] = {}
        self._orders: dict[frozenset[str], tuple[tuple[str, tuple[str, ...]], ...]] = {}

    @property
    def names(self) -> frozenset[str]:
        """Every unit that may have a price."""
        return frozenset(self._registry.units)

    def of_price_key(self, price_key: str) -> UnitDef:
        """The unit that a price key prices. Raises `ConfigError` for a key the registry does not know."""
        try:
            return self._registry.unit_for_price_key(price_key)
        except KeyError as error:
            raise ConfigError(f"the price data has a price of no known unit: {price_key}") from error

    def named(self, unit: str) -> UnitDef:
        """The unit of this name. Raises `ConfigError` where there is none."""
        try:
            return self._registry.units[unit]
        except KeyError as error:
            raise ConfigError(f"there is no unit {unit}; docs/prices.md lists them all") from error

    def is_fee(self, unit: str) -> bool:
        """Whether a unit is charged beside the content of a call, like a web search."""
        return self._family(unit) in FEE_FAMILIES

    def is_measure(self, unit: str) -> bool:
        """Whether a unit measures the content of a call by something else than tokens, like seconds."""
        return self._family(unit) not in FEE_FAMILIES | {"tokens"}

    def is_token(self, unit: str) -> bool:
        """Whether a unit counts tokens."""
        return self._family(unit) == "tokens"

    def above(self, unit: str) -> frozenset[str]:
        """Every unit that a unit is a part of."""
        return self._registry.ancestor_usage_keys(unit)

    def check_nesting(self, priced: frozenset[str]) -> None:
        """Raise `ConfigError` where a unit is priced but not its parents or joins: leaves would overlap."""
        if priced in self._valid:
            return
        try:
            validate_priced_units([self._registry.units[unit] for unit in sorted(priced)], self._registry)
        except ValueError as error:
            raise ConfigError(f"the price data is inconsistent: {error}") from error
        self._valid.add(priced)

    def signed(self, leaf_rates: Mapping[str, Fraction]) -> dict[str, Fraction]:
        """Rates over inclusive counts that equal `leaf_rates` over disjoint leaves (Moebius inversion).

        A unit's inclusive count is the sum of the leaves at and below it, so a leaf is charged the sum of the
        rates at and above it. That sum must be its own price: rate = price - rates of all priced parents.
        """
        signed: dict[str, Fraction] = {}
        for unit in sorted(leaf_rates, key=self._depth):
            above = self.above(unit)
            signed[unit] = leaf_rates[unit] - sum(rate for parent, rate in signed.items() if parent in above)
        return signed

    def leaves(self, priced: frozenset[str], counts: Mapping[str, int]) -> dict[str, int]:
        """Split inclusive counts into the disjoint leaves of the priced units; a unit not given counts 0.

        A leaf is negative where parts exceed their whole.
        """
        order = self._orders.get(priced)
        if order is None:
            order = self._orders[priced] = self._order(priced)
        leaves: dict[str, int] = {}
        for unit, below in order:
            leaf = counts.get(unit, 0)
            for child in below:
                leaf -= leaves[child]
            leaves[unit] = leaf
        return leaves

    def inclusive(self, counts: TokenCounts, given: Mapping[str, int]) -> dict[str, int]:
        """The six counts and the units reported beside them as one consistent set of inclusive counts.

        A whole that was not reported is taken as small as its parts allow; so is the overlap of two parts (cached
        audio, where audio and cached tokens together are more than the input).

        Raises `UnitsRefused`: UNIT_UNKNOWN for a name that is none, FIELD_OUT_OF_RANGE for a count that is none,
        UNITS_INCONSISTENT where a part is more than its whole or another count of the event is contradicted.
        """
        whole = units_of(counts)
        self._check(whole, given)
        names = frozenset(given)
        plan = self._plans.get(names)
        if plan is None:
            if len(self._plans) >= _PLANS_MAX:
                self._plans.clear()
            plan = self._plans[names] = self._plan(names)
        if plan.other_writes:
            whole["cache_write_5m_tokens"] -= sum(given[unit] for unit in plan.other_writes)
        whole.update(given)
        for unit, parts, apart in plan.wholes:
            found = [given[part] for part in parts]
            whole[unit] = sum(found) if apart else max(found)
        for part, above in plan.nested:
            if whole[part] > whole[above]:
                raise _inconsistent(f"`{part}` is {whole[part]} and part of `{above}`, which is {whole[above]}")
        for join, one, other, common in plan.joins:
            least = whole[one] + whole[other] - whole[common]
            if least > whole.get(join, 0):
                whole[join] = least
        return whole

    def _check(self, whole: Mapping[str, int], given: Mapping[str, int]) -> None:
        for unit, count in given.items():
            if unit not in self._registry.units:
                raise UnitsRefused(RejectCode.UNIT_UNKNOWN, f"no unit is called {unit!r}; docs/prices.md lists them")
            if isinstance(count, bool) or not 0 <= count <= UNIT_COUNT_MAX:
                raise UnitsRefused(
                    RejectCode.FIELD_OUT_OF_RANGE, f"`{unit}` must be a whole number from 0 to {UNIT_COUNT_MAX}"
                )
            if unit in whole and count != whole[unit]:
                raise _inconsistent(f"`{unit}` is {count} in units, and {whole[unit]} by the event's own counts")
        writes = sum(given.get(unit, 0) for unit in OTHER_CACHE_WRITES)
        if writes > whole["cache_write_5m_tokens"]:
            raise _inconsistent(
                f"cache writes of 30 minutes and 12 hours are {writes}: `cache_write_5m` holds them too"
            )

    def _plan(self, given: frozenset[str]) -> _Plan:
        """What follows from which units were reported, whatever their counts."""
        units = self._registry.units
        wholes = []
        for unit in sorted({above for one in given for above in self.above(one)} - COUNTED_UNITS.keys() - given):
            parts = [units[part] for part in sorted(given) if unit in self.above(part)]
            apart = not any(
                one.is_compatible_with(other) for place, one in enumerate(parts) for other in parts[place + 1 :]
            )
            wholes.append((unit, tuple(part.usage_key for part in parts), apart))
        reported = [*sorted(given), *(unit for unit, _, _ in wholes)]
        return _Plan(
            tuple(wholes),
            tuple((unit, above) for unit in reported for above in sorted(self.above(unit))),
            tuple(self._joins(reported)),
            tuple(unit for unit in OTHER_CACHE_WRITES if unit in given),
        )

    def _joins(self, reported: list[str]) -> Iterator[tuple[str, str, str, str]]:
        """(join, one, other, common whole) of every two parts whose overlap was not reported."""
        present = [self._registry.units[unit] for unit in dict.fromkeys([*reported, *COUNTED_UNITS])]
        names = {unit.usage_key for unit in present}
        for place, one in enumerate(present):
            for other in present[place + 1 :]:
                join = self._registry.find_join(one, other)
                if join is not None and join.usage_key not in names:
                    for common in sorted(self.above(one.usage_key) & self.above(other.usage_key)):
                        yield join.usage_key, one.usage_key, other.usage_key, common

    def _order(self, priced: frozenset[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The units from the most special on, each with the priced ones below it."""
        deepest = sorted(priced, key=lambda unit: (-self._depth(unit), unit))
        return tuple((unit, tuple(child for child in deepest if unit in self.above(child))) for unit in deepest)

    def _family(self, unit: str) -> str:
        return self._registry.units[unit].dimensions["family"]

    def _depth(self, unit: str) -> int:
        return len(self._registry.units[unit].dimensions)


def _inconsistent(detail: str) -> UnitsRefused:
    return UnitsRefused(RejectCode.UNITS_INCONSISTENT, detail)
