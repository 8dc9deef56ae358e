"""Units: what our counts fill, and what a new release of the price data would add."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tollbook.domain.usage import Usage
from tollbook.pricing.units import COUNTED_UNITS, COUNTS, UNCOUNTED_UNITS, Units, units_of

UNITS = Units()


def test_every_unit_of_the_data_is_known_here() -> None:
    """A unit that a new release adds fails here: decide whether one of the six counts has to fill it."""
    assert COUNTED_UNITS.keys() | UNCOUNTED_UNITS == UNITS.names
    assert not COUNTED_UNITS.keys() & UNCOUNTED_UNITS


def test_every_count_fills_a_unit() -> None:
    assert {count for parts in COUNTED_UNITS.values() for count in parts} == set(COUNTS)


def test_both_cache_writes_add_up_to_the_parent() -> None:
    units = units_of(Usage(input=10, output=1, cache_write_5m=3, cache_write_1h=4))
    assert units["cache_write_tokens"] == 7
    assert units["cache_write_1h_tokens"] == 4


@given(st.dictionaries(st.sampled_from(sorted(UNITS.names)), st.tuples(st.integers(0, 10**6), st.integers(0, 10**9))))
def test_signed_rates_over_inclusive_counts_equal_plain_rates_over_leaves(
    chosen: dict[str, tuple[int, int]],
) -> None:
    """The inversion holds for any set of priced units, also for sets no provider uses."""
    leaves = {unit: leaf for unit, (leaf, _) in chosen.items()}
    rates = {unit: Fraction(rate, 7) for unit, (_, rate) in chosen.items()}
    ancestors = UNITS._registry.ancestor_usage_keys
    whole = {
        unit: sum(leaf for below, leaf in leaves.items() if below == unit or unit in ancestors(below))
        for unit in leaves
    }
    assert UNITS.leaves(frozenset(chosen), whole) == leaves
    signed = UNITS.signed(rates)
    assert sum(signed[unit] * whole[unit] for unit in chosen) == sum(rates[unit] * leaves[unit] for unit in chosen)
