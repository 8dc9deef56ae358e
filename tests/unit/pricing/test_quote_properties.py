"""Random calls of random models cost what genai-prices says, and are rounded once."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

from genai_prices.data import providers
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.pricing.reference import reference_nanos
from tollbook.domain.usage import Usage
from tollbook.pricing.book import PriceBook
from tollbook.pricing.explain import explain
from tollbook.pricing.match import Matcher
from tollbook.pricing.quote import CountRates, QuoteFlag, TokenRates, exact_nanos, token_rates
from tollbook.pricing.units import COUNTS, units_of

BY_ID = {provider.id: provider for provider in providers}
MATCHER = Matcher(providers)
# Some ids are names for people: the provider's own API, and so a report, never uses them.
NAMES = [
    (provider.id, model.id)
    for provider in providers
    for model in provider.models
    if MATCHER.find(provider.id, model.id) is not None
]
START = datetime(2024, 1, 1, tzinfo=UTC)

tokens = st.integers(0, 2_000_000_000) | st.sampled_from([0, 128_000, 200_000, 200_001, 272_000, 272_001])
moments = st.integers(0, 4 * 366 * 86_400).map(lambda seconds: START + timedelta(seconds=seconds))


@st.composite
def calls(draw: st.DrawFn) -> Usage:
    """Counts as the intake lets them in: parts within their wholes."""
    prompt, output = draw(tokens), draw(tokens)
    read = draw(st.integers(0, prompt))
    short = draw(st.integers(0, prompt - read))
    return Usage(
        input=prompt,
        output=output,
        cache_read=read,
        cache_write_5m=short,
        cache_write_1h=draw(st.integers(0, prompt - read - short)),
        reasoning=draw(st.integers(0, output)),
    )


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(NAMES), calls(), moments, st.sampled_from([None, "flex", "priority", "batch", "fast"]))
def test_any_call_costs_what_genai_prices_says(
    book: PriceBook, name: tuple[str, str], usage: Usage, at: datetime, tier: str | None
) -> None:
    quote = book.quote(usage, provider=name[0], model=name[1], at=at, service_tier=tier)
    found = MATCHER.find(*name)
    assert found is not None
    provider = BY_ID[found.provider]
    model = provider.models[found.position]
    context = {key: tier for key in ("service_tier", "processing", "speed") if tier and not found.borrowed}
    if quote.flags & QuoteFlag.UNPRICED:
        assert quote.price_id is None
    else:
        assert quote.cost_nanos == reference_nanos(model, provider, units_of(usage), at, context)


@given(calls(), st.lists(st.fractions(min_value=0, max_value=10**6), min_size=7, max_size=7))
def test_a_cost_is_the_exact_sum_rounded_once(usage: Usage, rates: list[Fraction]) -> None:
    fixed, *per_count = rates
    counts = [getattr(usage, count) for count in COUNTS]
    exact = fixed + sum(rate * count for rate, count in zip(per_count, counts, strict=True))
    assert token_rates(None, [(0, tuple(rates))]).cost_nanos(usage) == round(exact)


@given(st.integers(0, 10**15), st.integers(1, 10**6))
def test_ties_go_to_even(exact: int, divisor: int) -> None:
    rates = TokenRates(None, 0, divisor, CountRates(exact, 0, 0, 0, 0, 0, 0))
    assert rates.cost_nanos(Usage(input=0, output=0)) == round(Fraction(exact, divisor))


def test_a_fleet_of_models_is_priced(book: PriceBook) -> None:
    """The share of the data's models that a token count prices: a break in compiling would show as a fall."""
    at = datetime(2026, 11, 5, tzinfo=UTC)
    usage = Usage(input=10, output=10)
    quotes = [book.quote(usage, provider=provider, model=model, at=at) for provider, model in NAMES]
    unpriced = sum(1 for quote in quotes if quote.flags & QuoteFlag.UNPRICED)
    assert len(NAMES) > 2000
    assert unpriced / len(quotes) < 0.03


SIZES = st.integers(0, 100_000)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(NAMES), st.tuples(*(SIZES,) * 6), st.tuples(*(SIZES,) * 6), moments)
def test_a_cost_is_linear_within_a_tier(
    book: PriceBook, name: tuple[str, str], one: tuple[int, ...], other: tuple[int, ...], at: datetime
) -> None:
    """Before the rounding two calls of one tier cost what their sum does, but for a fixed price a call."""
    rates = book.rates(*name, None, at)
    both = tuple(left + right for left, right in zip(one, other, strict=True))
    reached = {sum(start < _usage(leaves).input for start, _ in rates.steps) for leaves in (one, other, both)}
    if len(reached) == 1:
        fixed = Fraction(_level(rates, both).fixed, rates.divisor)
        assert exact_nanos(rates, _usage(both)) + fixed == sum(
            exact_nanos(rates, _usage(side)) for side in (one, other)
        )


@given(st.sampled_from(NAMES), st.tuples(*(SIZES,) * 6), moments)
def test_no_part_of_a_consistent_call_is_negative(
    book: PriceBook, name: tuple[str, str], leaves: tuple[int, ...], at: datetime
) -> None:
    """Counts whose parts lie within their wholes have leaves of zero or more, and each line costs zero or more."""
    found = explain(book.rates(*name, None, at), _usage(leaves))
    assert all(line.count > 0 and Fraction(line.nanos) >= 0 for line in found.lines)
    assert found.cost_nanos == book.rates(*name, None, at).cost_nanos(_usage(leaves))


def _usage(leaves: tuple[int, ...]) -> Usage:
    plain, read, short, long, text, reasoning = leaves
    return Usage(
        input=plain + read + short + long,
        output=text + reasoning,
        cache_read=read,
        cache_write_5m=short,
        cache_write_1h=long,
        reasoning=reasoning,
    )


def _level(rates: TokenRates, leaves: tuple[int, ...]) -> CountRates:
    return next((level for start, level in rates.steps if _usage(leaves).input > start), rates.base)
