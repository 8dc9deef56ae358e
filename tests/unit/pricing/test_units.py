"""Units: what our counts fill, and what a new release of the price data would add."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.domain.errors import RejectCode, UnitsRefused
from tollbook.domain.usage import Usage
from tollbook.pricing.units import COUNTED_UNITS, COUNTS, OWN_UNITS, UNCOUNTED_UNITS, UNIT_COUNT_MAX, Units, units_of

UNITS = Units()


def test_every_unit_of_the_data_is_known_here() -> None:
    """A unit that a new release adds fails here: decide whether one of the six counts has to fill it."""
    known = [COUNTED_UNITS.keys(), UNCOUNTED_UNITS, OWN_UNITS.keys()]
    assert set().union(*known) == UNITS.names
    assert sum(len(names) for names in known) == len(UNITS.names)


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


def refusal(units: dict[str, int], **counts: int) -> RejectCode | None:
    try:
        UNITS.inclusive(Usage(**{"input": 100, "output": 10, **counts}), units)
    except UnitsRefused as refused:
        return refused.reject
    return None


@pytest.mark.parametrize(
    ("units", "code"),
    [
        ({"input_audio_token": 1}, RejectCode.UNIT_UNKNOWN),
        ({"web_searches": -1}, RejectCode.FIELD_OUT_OF_RANGE),
        ({"web_searches": UNIT_COUNT_MAX + 1}, RejectCode.FIELD_OUT_OF_RANGE),
        ({"web_searches": True}, RejectCode.FIELD_OUT_OF_RANGE),
        ({"input_audio_tokens": 101}, RejectCode.UNITS_INCONSISTENT),
        ({"output_image_tokens": 11}, RejectCode.UNITS_INCONSISTENT),
        ({"cache_audio_read_tokens": 1}, RejectCode.UNITS_INCONSISTENT),
        ({"input_audio_tokens": 5, "cache_audio_write_tokens": 6}, RejectCode.UNITS_INCONSISTENT),
        ({"input_tokens": 99}, RejectCode.UNITS_INCONSISTENT),
        ({"cache_write_12h_tokens": 1}, RejectCode.UNITS_INCONSISTENT),
        ({"input_tokens": 100, "web_searches": 3}, None),
        ({"input_audio_tokens": 100}, None),
        ({"web_searches": UNIT_COUNT_MAX}, None),
    ],
)
def test_units_that_say_nothing_consistent_are_refused(units: dict[str, int], code: RejectCode | None) -> None:
    assert refusal(units) is code


def test_cache_writes_of_other_lifetimes_are_part_of_the_usual_ones() -> None:
    assert refusal({"cache_write_30m_tokens": 6, "cache_write_12h_tokens": 4}, cache_write_5m=10) is None
    assert refusal({"cache_write_30m_tokens": 6, "cache_write_12h_tokens": 5}, cache_write_5m=10)
    whole = UNITS.inclusive(Usage(input=100, output=0, cache_write_5m=10), {"cache_write_12h_tokens": 4})
    assert (whole["cache_write_tokens"], whole["cache_write_5m_tokens"]) == (10, 6)


def test_a_whole_that_was_not_reported_is_as_small_as_its_parts_allow() -> None:
    """A transcription reports the seconds it heard, and models are sold by the second of either direction."""
    whole = UNITS.inclusive(Usage(input=0, output=0), {"input_audio_seconds": 7, "output_audio_seconds": 2})
    assert whole["audio_seconds"] == 9
    whole = UNITS.inclusive(Usage(input=9, output=0, cache_read=5), {"cache_audio_read_tokens": 5})
    assert whole["input_audio_tokens"] == 5


def test_an_overlap_that_must_be_there_is_filled_in() -> None:
    """OpenAI's chat reports audio and cached tokens but not how many are both: 80 + 60 of 100 share 40."""
    whole = UNITS.inclusive(Usage(input=100, output=0, cache_read=60), {"input_audio_tokens": 80})
    assert whole["cache_audio_read_tokens"] == 40
    whole = UNITS.inclusive(Usage(input=100, output=0, cache_read=20), {"input_audio_tokens": 80})
    assert "cache_audio_read_tokens" not in whole
