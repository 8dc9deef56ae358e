"""The units that genai-prices prices, which of them our six counts fill, and how they nest."""

from collections.abc import Mapping
from fractions import Fraction

from genai_prices.data_units import unit_data
from genai_prices.units import UnitDef, UnitRegistry
from genai_prices.validation import validate_priced_units

from tollbook.domain.errors import ConfigError, invariant
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
"""Units that only `PriceBook.quote_units` fills. A test compares both lists with the registry of the data."""


def units_of(counts: TokenCounts) -> dict[str, int]:
    """The six counts as units of the price data.

    >>> from tollbook.domain.usage import Usage
    >>> units_of(Usage(input=9, output=1, cache_write_5m=2, cache_write_1h=3))["cache_write_tokens"]
    5
    """
    return {unit: sum(getattr(counts, count) for count in parts) for unit, parts in COUNTED_UNITS.items()}


class Units:
    """The registry of units: finds the unit of a price, and turns nested prices into rates."""

    def __init__(self) -> None:
        self._registry = UnitRegistry(unit_data)
        self._valid: set[frozenset[str]] = set()

    @property
    def names(self) -> frozenset[str]:
        """Every unit that the price data may price."""
        return frozenset(self._registry.units)

    def of_price_key(self, price_key: str) -> UnitDef:
        """The unit that a price key prices. Raises `ConfigError` for a key the registry does not know."""
        try:
            return self._registry.unit_for_price_key(price_key)
        except KeyError as error:
            raise ConfigError(f"the price data has a price of no known unit: {price_key}") from error

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
            above = self._registry.ancestor_usage_keys(unit)
            signed[unit] = leaf_rates[unit] - sum(rate for parent, rate in signed.items() if parent in above)
        return signed

    def leaves(self, priced: frozenset[str], counts: Mapping[str, int]) -> dict[str, int]:
        """Split inclusive counts into the disjoint leaves of the priced units; a unit not given counts 0."""
        leaves: dict[str, int] = {}
        for unit in sorted(priced, key=self._depth, reverse=True):
            below = sum(leaf for child, leaf in leaves.items() if unit in self._registry.ancestor_usage_keys(child))
            leaves[unit] = counts.get(unit, 0) - below
            invariant(leaves[unit] >= 0, f"the parts of {unit} exceed it")
        return leaves

    def _depth(self, unit: str) -> int:
        return len(self._registry.units[unit].dimensions)
