"""Amounts and charts for the eye never say zero of what is something, nor all of what is less."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tollbook.terminal.figures import bar, condensed, count, percent, sparkline, usd


@given(st.integers(-(10**18), 10**18), st.sampled_from([2, 4]))
def test_an_amount_is_rounded_to_its_places_and_never_to_nothing(nanos: int, places: int) -> None:
    shown = usd(nanos, places)
    if shown.startswith("<"):
        assert 0 < nanos < 10 ** (9 - places)
        return
    read = shown.replace("$", "").replace(",", "")
    steps = int(read.replace(".", ""))
    assert abs(steps * 10 ** (9 - places) - nanos) * 2 <= 10 ** (9 - places) or (nanos < 0 and steps == -1)
    assert (steps == 0) == (nanos == 0)


@given(st.integers(0, 999 * 10**12))
def test_a_count_is_short(number: int) -> None:
    assert len(count(number)) <= 6


def test_counts_at_the_edges() -> None:
    assert [count(n) for n in (0, 9_999, 10_000, 99_999, 999_999, 1_000_000, 12_345_678, 999_999_999)] == [
        "0", "9,999", "10.0k", "100.0k", "1.00M", "1.00M", "12.3M", "1.00B",
    ]  # fmt: skip


@given(st.floats(0, 1))
def test_a_share_is_none_or_all_only_where_it_is(fraction: float) -> None:
    assert (percent(fraction) == "0%") == (fraction == 0)
    assert (percent(fraction) == "100%") == (fraction == 1)


@given(st.floats(0, 2), st.integers(1, 40), st.booleans())
def test_a_bar_has_its_width(fraction: float, width: int, plain: bool) -> None:
    filled = bar(fraction, width, plain=plain)
    assert cell_len(filled) == width
    if fraction >= 1:
        assert " " not in filled
    if fraction > 0 and not plain:
        assert filled.strip()


@given(st.lists(st.integers(0, 10**12), max_size=60), st.integers(1, 40))
def test_a_course_keeps_its_sum_and_its_peak(values: list[int], width: int) -> None:
    shown = condensed(values, width)
    assert sum(shown) == sum(values)
    assert len(shown) <= width
    line = sparkline(shown)
    assert len(line) == len(shown)
    for value, mark in zip(shown, line, strict=True):
        assert (mark == "·") == (value == 0)
        if value and value == max(shown):
            assert mark == "█"
