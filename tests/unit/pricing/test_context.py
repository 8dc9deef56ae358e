"""What a price depends on beside the model: each trap of the price data that costs silently, told here."""

from datetime import UTC, datetime, timedelta

import pytest

from tollbook.domain.usage import Usage
from tollbook.pricing.book import PriceBook
from tollbook.pricing.quote import Quote, QuoteFlag

AT = datetime(2026, 11, 5, 12, tzinfo=UTC)
MILLION = Usage(input=1_000_000, output=1_000_000)


def price(
    book: PriceBook,
    provider: str | None,
    model: str,
    tier: str | None = None,
    at: datetime = AT,
    *,
    usage: Usage = MILLION,
    **context: str,
) -> Quote:
    return book.quote(usage, provider=provider, model=model, at=at, service_tier=tier, context=context)


@pytest.mark.parametrize(
    ("provider", "model", "tier", "context"),
    [
        ("openai", "gpt-5.6-sol", "ultrafast", {}),
        ("anthropic", "claude-opus-4-8", "priority", {}),
        ("openai", "gpt-5.6-sol", None, {"speed": "ultrafast"}),
        ("openai", "gpt-5.6-sol", None, {"inference_geo": "us"}),
        ("anthropic", "claude-opus-4-5", None, {"inference_geo": "us"}),
        ("openai", "gpt-5.6-sol", None, {"phase_of_the_moon": "full"}),
        ("openai", "gpt-5.6-sol", "ultrafast", {"processing": "batch"}),
        ("aws", "anthropic.claude-opus-4-7", None, {"inference_geo": "us"}),
    ],
)
def test_a_context_without_a_price_is_flagged(
    book: PriceBook, provider: str, model: str, tier: str | None, context: dict[str, str]
) -> None:
    assert price(book, provider, model, tier, **context).flags == QuoteFlag.CONTEXT_UNKNOWN


@pytest.mark.parametrize(
    "context",
    [{"inference_geo": "global"}, {"inference_geo": "not_available"}, {"speed": "standard"}, {"service_tier": "Auto"}],
)
def test_a_context_that_means_the_list_price_costs_it(book: PriceBook, context: dict[str, str]) -> None:
    assert price(book, "anthropic", "claude-opus-4-8", **context) == price(book, "anthropic", "claude-opus-4-8")


def test_a_variant_before_its_start_is_standard_and_flagged(book: PriceBook) -> None:
    start = datetime(2026, 10, 14, tzinfo=UTC)
    before = price(book, "anthropic", "claude-opus-4-8", "batch", start - timedelta(microseconds=1))
    assert before.flags == QuoteFlag.CONTEXT_UNKNOWN
    assert before.cost_nanos == price(book, "anthropic", "claude-opus-4-8", at=start).cost_nanos
    after = price(book, "anthropic", "claude-opus-4-8", "batch", start)
    assert (after.cost_nanos * 2, after.flags) == (before.cost_nanos, 0)


def test_fast_is_a_speed_however_it_is_said(book: PriceBook) -> None:
    fast = price(book, "anthropic", "claude-opus-4-8", "fast")
    assert fast.cost_nanos == 60_000_000_000
    assert price(book, "anthropic", "claude-opus-4-8", speed="fast") == fast
    assert price(book, "anthropic", "claude-opus-4-8", "standard", speed="fast") == fast


def test_of_two_variants_the_one_that_prices_nothing_is_flagged(book: PriceBook) -> None:
    """Batch and fast at once costs the batch price by the data's rule; nobody sells that, and it is said."""
    both = price(book, "anthropic", "claude-opus-4-8", "batch", speed="fast")
    assert both.cost_nanos == price(book, "anthropic", "claude-opus-4-8", "batch").cost_nanos
    assert both.flags == QuoteFlag.CONTEXT_UNKNOWN


def test_inference_in_the_us_alone_costs_a_tenth_more_at_anthropic(book: PriceBook) -> None:
    usage = Usage(input=1_000_000, output=1_000, cache_read=900_000, cache_write_5m=1_000, cache_write_1h=1_000)
    anywhere = price(book, "anthropic", "claude-opus-4-8", usage=usage)
    here = price(book, "anthropic", "claude-opus-4-8", usage=usage, inference_geo="US")
    assert here.cost_nanos * 10 == anywhere.cost_nanos * 11
    assert here.flags == 0
    batch = price(book, "anthropic", "claude-opus-4-8", "batch", usage=usage, inference_geo="us")
    assert batch.cost_nanos * 20 == anywhere.cost_nanos * 11
    rows = {row.price_id: row for row in book.rows()}
    assert here.price_id is not None
    row = rows[here.price_id]
    assert (row.origin, row.context) == ("override", {"inference_geo": "us"})
    assert row.factors == [{"name": "anthropic-us", "factor": "1.1"}]
    assert (row.rates["input_tokens"]["usd"], row.rates["web_searches"]["usd"]) == ("5.5", "10")


def test_a_route_and_a_kind_of_search_have_prices_of_their_own(book: PriceBook) -> None:
    large = "mistralai/mistral-large-4-0"
    europe = price(book, "openrouter", large, route="mistral/eu")
    assert europe.cost_nanos > price(book, "openrouter", large).cost_nanos
    assert europe.flags == 0
    searches = {"web_searches": 1_000}
    usual = book.quote(MILLION, provider="perplexity", model="perplexity/sonar", at=AT, units=searches)
    fast = book.quote(
        MILLION,
        provider="perplexity",
        model="perplexity/sonar",
        at=AT,
        units=searches,
        context={"search_type": "fast"},
    )
    assert usual.cost_nanos - fast.cost_nanos == 1_500_000_000
    assert fast.flags == 0


def test_hours_and_dates_move_a_price(book: PriceBook) -> None:
    peak = {price(book, "deepseek", "deepseek-v4-pro", at=AT.replace(hour=hour)).cost_nanos for hour in range(24)}
    assert len(peak) == 2
    cut = datetime(2026, 8, 21, tzinfo=UTC)
    few = Usage(input=1_000, output=1_000)
    assert price(book, "openai", "gpt-5.6-sol", at=cut, usage=few).cost_nanos == 24_000_000
    before = cut - timedelta(microseconds=1)
    assert price(book, "openai", "gpt-5.6-sol", at=before, usage=few).cost_nanos == 35_000_000


def test_a_long_prompt_moves_the_whole_call(book: PriceBook) -> None:
    costs = [
        price(book, "openai", "gpt-5.6-sol", usage=Usage(input=tokens, output=0)).cost_nanos
        for tokens in (272_000, 272_001)
    ]
    assert costs == [272_000 * 4_000, 272_001 * 8_000]


@pytest.mark.parametrize(
    ("alias", "provider", "model"),
    [
        ("x_ai", "x-ai", "grok-4.5"),
        ("gcp.gen_ai", "google", "gemini-3.8-flash"),
        ("gcp.vertex_ai", "google", "gemini-3.8-flash"),
        ("azure.ai.openai", "azure", "gpt-5"),
        ("aws.bedrock", "aws", "anthropic.claude-opus-4-7"),
    ],
)
def test_the_names_that_telemetry_writes_are_understood(book: PriceBook, alias: str, provider: str, model: str) -> None:
    assert price(book, alias, model) == price(book, provider, model)
    assert not price(book, alias, model).flags & QuoteFlag.UNPRICED


@pytest.mark.parametrize("model", ["claude-opus-6", "gpt-7", "grok-5", "gemini-3.9-flash"])
def test_a_name_of_the_future_is_unknown_not_guessed(book: PriceBook, model: str) -> None:
    assert price(book, None, model).flags == QuoteFlag.UNPRICED


def test_models_that_the_data_lists_without_prices_are_not_free(book: PriceBook) -> None:
    """179 models of the data cost 0 in its own calculation without an error; here only `:free` names do."""
    unpriced = 0
    for provider, model in book.models():
        found = book.find(provider, model, None, AT)
        if found is not None and found.card is None:
            unpriced += 1
            quote = price(book, provider, model)
            assert quote.flags & QuoteFlag.UNPRICED, (provider, model)
            assert quote.cost_nanos == 100_000_000_000
    assert unpriced > 15
