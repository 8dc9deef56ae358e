"""What a call may cost at most: never below what it can come to, and turned round without giving a token too much."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollbook.domain.usage import Usage
from tollbook.enforcement.estimates import TOKENS_MAX, CallPrice, output_within, unit_rates, upper_nanos
from tollbook.pricing.book import PriceBook
from tollbook.pricing.bundled import bundled_book
from tollbook.pricing.quote import CountRates, TokenRates

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)

tokens = st.integers(0, 3_000_000)
rate = st.integers(0, 200_000_000)


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return bundled_book()


@st.composite
def rates(draw: st.DrawFn) -> TokenRates:
    """Cards with up to three tiers, dearer or cheaper than the one below, cached reads and reasoning of any price."""

    def level() -> CountRates:
        per_input, per_output = draw(rate), draw(rate)
        read, reasoning = draw(st.integers(0, per_input)), draw(rate)
        # Cache writes are left out: what they cost beyond plain input is the caller's to name.
        return CountRates(
            draw(st.integers(0, 10**9)), per_input, per_output, read - per_input, 0, 0, reasoning - per_output
        )

    starts = sorted(draw(st.sets(st.integers(1, 1_000_000), max_size=3)), reverse=True)
    divisor = draw(st.sampled_from((1, 1_000, 3_000, 7_000)))
    steps = tuple((start, level()) for start in starts)
    return TokenRates(None, 0, divisor, level(), starts[-1] if starts else 1 << 62, steps)


@st.composite
def calls(draw: st.DrawFn, most_input: int, most_output: int) -> Usage:
    """Any call of up to so many tokens."""
    input_, output = draw(st.integers(0, most_input)), draw(st.integers(0, most_output))
    read, reasoning = draw(st.integers(0, input_)), draw(st.integers(0, output))
    return Usage(input=input_, output=output, cache_read=read, reasoning=reasoning)


@given(st.data(), rates(), tokens, tokens)
@settings(max_examples=300)
def test_no_call_within_its_size_costs_more_than_its_upper_bound(
    data: st.DataObject, card: TokenRates, input_tokens: int, output_tokens: int
) -> None:
    call = data.draw(calls(input_tokens, output_tokens))
    assert card.cost_nanos(call) <= upper_nanos(card, input_tokens, output_tokens)


@given(rates(), tokens, st.integers(0, 10**13))
@settings(max_examples=300)
def test_what_an_amount_grants_is_the_most_that_it_covers(card: TokenRates, input_tokens: int, nanos: int) -> None:
    granted = output_within(card, input_tokens, nanos)
    if granted < 0:
        assert upper_nanos(card, input_tokens, 0) > nanos
        return
    assert upper_nanos(card, input_tokens, granted) <= nanos
    assert granted == TOKENS_MAX or upper_nanos(card, input_tokens, granted + 1) > nanos


@given(rates(), tokens, tokens)
def test_an_upper_bound_buys_what_it_was_quoted_for(card: TokenRates, input_tokens: int, output_tokens: int) -> None:
    assert output_within(card, input_tokens, upper_nanos(card, input_tokens, output_tokens)) >= output_tokens


@given(st.data(), rates(), tokens, tokens)
def test_rates_per_token_bound_every_call_but_for_its_fixed_price(
    data: st.DataObject, card: TokenRates, input_tokens: int, output_tokens: int
) -> None:
    call = data.draw(calls(input_tokens, output_tokens))
    bound = unit_rates(card)
    fixed = max(level.fixed for level in (card.base, *(level for _, level in card.steps)))
    assert card.cost_nanos(call) <= call.input * bound.input_nanos + call.output * bound.output_nanos + fixed


def test_the_tier_that_the_size_reaches_is_priced(book: PriceBook) -> None:
    card = book.rates("google", "gemini-2.5-pro", None, AT)
    below, above = (upper_nanos(card, count, 1_000) for count in (200_000, 200_001))
    assert below == card.cost_nanos(Usage(input=200_000, output=1_000))
    assert above == card.cost_nanos(Usage(input=200_001, output=1_000))
    assert above > below * 3 // 2


def test_every_bundled_model_is_bounded_at_each_tier(book: PriceBook) -> None:
    for row in book.rows():
        card = book.rates(row.provider, row.model, None, AT)
        for size in (0, 1, card.first_step, card.first_step + 1, *(start + 1 for start, _ in card.steps)):
            if size <= TOKENS_MAX:
                call = Usage(input=size, output=77, reasoning=77)
                assert card.cost_nanos(call) <= upper_nanos(card, size, 77), (row.provider, row.model, size)


def test_a_price_that_changes_while_the_call_runs_counts_at_its_dearer() -> None:
    cheap = TokenRates(None, 0, 1, CountRates(0, 1, 2, 0, 0, 0, 0))
    dear = TokenRates(None, 0, 1, CountRates(0, 3, 1, 0, 0, 0, 0))
    price = CallPrice(cheap, dear)
    assert price.upper_nanos(10, 0) == 30
    assert price.upper_nanos(0, 10) == 20
    assert price.output_within(10, 50) == 20
    assert tuple(price.unit_rates()) == (3, 2)


def test_rates_of_now_and_of_the_end_are_one_where_nothing_changes(book: PriceBook) -> None:
    now, later = (
        book.rates("openai", "gpt-4o-mini", None, AT + delta) for delta in (timedelta(), timedelta(minutes=1))
    )
    assert CallPrice(now, later).upper_nanos(1_000, 100) == now.cost_nanos(Usage(input=1_000, output=100))
