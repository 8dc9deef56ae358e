"""The price book as its callers see it: flags, ids, digest, memory."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest
from genai_prices.data import providers
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
)

from tollbook.domain.errors import ConfigError, InvariantViolated
from tollbook.domain.usage import Usage
from tollbook.pricing.book import ANSWERS_MAX, PriceBook, compile_book
from tollbook.pricing.quote import Ceiling, Quote, QuoteFlag

AT = datetime(2026, 11, 5, 12, tzinfo=UTC)
MILLION = Usage(input=1_000_000, output=1_000_000)


def book_of(*models: ModelInfo) -> PriceBook:
    return compile_book([Provider(id="acme", name="Acme", api_pattern="", models=list(models))])


def model_of(prices: ModelPrice | list[ConditionalPrice], **more: object) -> ModelInfo:
    return ModelInfo(id="m", match=ClauseEquals("m"), prices=prices, **more)  # type: ignore[arg-type]


def price(book: PriceBook, usage: Usage = MILLION, tier: str | None = None, at: datetime = AT) -> Quote:
    return book.quote(usage, provider="acme", model="m", at=at, service_tier=tier)


def test_a_known_model_costs_its_list_price(book: PriceBook) -> None:
    quote = book.quote(MILLION, provider="anthropic", model="claude-opus-4-7", at=AT)
    assert quote.cost_nanos == 30_000_000_000
    assert quote.flags == 0
    assert quote.price_id is not None
    assert 0 < quote.price_id < 2**63


def test_an_unknown_model_costs_the_ceiling_and_says_so(book: PriceBook) -> None:
    quote = book.quote(MILLION, provider="openai", model="gpt-99", at=AT)
    assert quote == Quote(100_000_000_000, None, QuoteFlag.UNPRICED)


def test_the_ceiling_is_configurable_and_counts_cached_tokens_in_full() -> None:
    ceiling = Ceiling(input_usd_per_mtok=Decimal("1.5"), output_usd_per_mtok=Decimal(2))
    book = compile_book([], unpriced=ceiling)
    usage = Usage(input=10, output=10, cache_read=10, reasoning=10)
    assert book.quote(usage, provider=None, model="m", at=AT).cost_nanos == 35_000


@pytest.mark.parametrize("amount", ["-1", "NaN", "Infinity"])
def test_a_ceiling_that_is_no_price_is_refused(amount: str) -> None:
    with pytest.raises(ConfigError):
        Ceiling(input_usd_per_mtok=Decimal(amount))


def test_the_default_ceiling_is_the_99th_percentile_of_list_prices() -> None:
    """Where the data moves away from the documented figure, the figure is to be chosen anew."""
    entries = [m.prices for p in providers for m in p.models if isinstance(m.prices, ModelPrice)]
    for key, ceiling in (
        ("input_mtok", Ceiling().input_usd_per_mtok),
        ("output_mtok", Ceiling().output_usd_per_mtok),
    ):
        found = [vars(entry)[key] for entry in entries if vars(entry).get(key) is not None]
        listed = [value.base if isinstance(value, TieredPrices) else value for value in found]
        assert 0.985 < sum(1 for usd in listed if usd <= ceiling) / len(listed) < 0.995


def test_a_model_without_any_price_is_unpriced_not_free(book: PriceBook) -> None:
    quote = book.quote(MILLION, provider="openai", model="omni-moderation-latest", at=AT)
    assert quote.flags == QuoteFlag.UNPRICED
    assert book.quote_units({"input_tokens": 5}, provider="openai", model="omni-moderation-latest", at=AT) is None


def test_a_model_that_declares_zero_is_free() -> None:
    quote = price(book_of(model_of(ModelPrice(input_mtok=Decimal(0), output_mtok=Decimal(0)))))
    assert (quote.cost_nanos, quote.flags) == (0, 0)
    assert quote.price_id is not None


def test_a_variant_named_free_is_free(book: PriceBook) -> None:
    quote = book.quote(MILLION, provider="openrouter", model="deepseek/deepseek-chat:free", at=AT)
    assert (quote.cost_nanos, quote.flags) == (0, 0)
    assert quote.price_id is not None


def test_only_a_name_that_ends_in_free_reaches_a_free_card(book: PriceBook) -> None:
    """The empty entries of the data are matched by free names alone, so no paid call prices at zero."""
    for provider in providers:
        for model in provider.models:
            if model.id.endswith(":free"):
                assert not model.is_match(model.id.removesuffix(":free")), model.id


def test_tokens_of_a_model_that_prices_none_are_unpriced(book: PriceBook) -> None:
    """Text-to-speech is sold by the character: six token counts say nothing of its cost."""
    assert book.quote(MILLION, provider="openai", model="tts-1", at=AT).flags == QuoteFlag.UNPRICED
    spoken = book.quote_units({"input_characters": 1_000_000}, provider="openai", model="tts-1", at=AT)
    assert spoken is not None
    assert spoken.cost_nanos == 15_000_000_000


def test_a_price_per_request_is_charged_once_a_call(book: PriceBook) -> None:
    nothing = book.quote(Usage(input=0, output=0), provider="perplexity", model="sonar-reasoning-pro", at=AT)
    assert nothing.cost_nanos > 0
    assert nothing.flags == 0


@pytest.mark.parametrize("tier", [None, "", "default", "standard", "auto", "Standard", "ON_DEMAND"])
def test_the_usual_tiers_are_the_list_price(book: PriceBook, tier: str | None) -> None:
    quote = book.quote(MILLION, provider="openai", model="gpt-5.6-sol", at=AT, service_tier=tier)
    assert quote == book.quote(MILLION, provider="openai", model="gpt-5.6-sol", at=AT)
    assert quote.flags == 0


def test_a_known_tier_has_its_own_card(book: PriceBook) -> None:
    standard = book.quote(MILLION, provider="openai", model="gpt-5.6-sol", at=AT)
    flex = book.quote(MILLION, provider="openai", model="gpt-5.6-sol", at=AT, service_tier="flex")
    batch = book.quote(MILLION, provider="anthropic", model="claude-opus-4-8", at=AT, service_tier="batch")
    fast = book.quote(MILLION, provider="anthropic", model="claude-opus-4-8", at=AT, service_tier="fast")
    assert (flex.cost_nanos * 2, flex.flags) == (standard.cost_nanos, 0)
    assert flex.price_id != standard.price_id
    assert (batch.cost_nanos, batch.flags) == (15_000_000_000, 0)
    assert (fast.cost_nanos, fast.flags) == (60_000_000_000, 0)


@pytest.mark.parametrize(
    ("provider", "model", "tier"),
    [
        ("openai", "gpt-5.6-sol", "ultrafast"),
        ("anthropic", "claude-opus-4-8", "priority"),
        ("azure", "gpt-5.6-sol", "flex"),
    ],
)
def test_an_unknown_tier_is_standard_and_says_so(book: PriceBook, provider: str, model: str, tier: str) -> None:
    """The third model is sold by Azure at OpenAI's list; OpenAI's tiers are not Azure's."""
    standard = book.quote(MILLION, provider=provider, model=model, at=AT)
    quote = book.quote(MILLION, provider=provider, model=model, at=AT, service_tier=tier)
    assert quote == Quote(standard.cost_nanos, standard.price_id, QuoteFlag.CONTEXT_UNKNOWN)
    slow = book.quote_units({}, provider=provider, model=model, at=AT, context={"service_tier": tier})
    assert slow is not None
    assert slow.flags == QuoteFlag.CONTEXT_UNKNOWN


def test_a_tier_before_its_first_price_is_standard_and_says_so(book: PriceBook) -> None:
    """The data dates most variants from the day it learned of them; before, it knows only the list price."""
    before = datetime(2026, 10, 11, 23, 59, tzinfo=UTC)
    after = datetime(2026, 10, 12, tzinfo=UTC)
    asked = {"provider": "openai", "model": "gpt-5.6-sol", "service_tier": "flex"}
    assert book.quote(MILLION, at=before, **asked).flags == QuoteFlag.CONTEXT_UNKNOWN
    assert book.quote(MILLION, at=after, **asked).flags == 0


def test_a_dated_price_changes_at_midnight_utc(book: PriceBook) -> None:
    small = Usage(input=1000, output=1000)
    asked = {"provider": "openai", "model": "gpt-5.6-sol"}
    before = book.quote(small, at=datetime(2026, 8, 20, 23, 59, 59, tzinfo=UTC), **asked)
    after = book.quote(small, at=datetime(2026, 8, 21, tzinfo=UTC), **asked)
    assert (before.cost_nanos, after.cost_nanos) == (35_000_000, 24_000_000)


def test_a_tier_moves_the_whole_call_past_its_threshold() -> None:
    tiered = TieredPrices(base=Decimal(1), tiers=[Tier(200, Decimal(3)), Tier(100, Decimal(2))])
    book = book_of(model_of(ModelPrice(input_mtok=tiered, output_mtok=Decimal(10))))
    costs = [price(book, Usage(input=count, output=1)).cost_nanos for count in (100, 101, 200, 201)]
    assert costs == [110_000, 212_000, 410_000, 613_000]


@pytest.mark.parametrize(
    ("usd_per_mtok", "nanos"),
    [
        ("0.0005", 0),
        ("0.0015", 2),
        ("0.0025", 2),
        ("0.0005000000000000000001", 1),
        ("0.0004999999999999999", 0),
    ],
)
def test_a_cost_is_rounded_once_half_to_even(usd_per_mtok: str, nanos: int) -> None:
    """Ties go to even, and a price finer than a pico-dollar still decides which side of a tie it is."""
    book = book_of(model_of(ModelPrice(input_mtok=Decimal(usd_per_mtok))))
    assert price(book, Usage(input=1, output=0)).cost_nanos == nanos


def test_parts_are_not_rounded_before_they_are_summed() -> None:
    book = book_of(model_of(ModelPrice(input_mtok=Decimal("0.0004"), output_mtok=Decimal("0.0004"))))
    assert price(book, Usage(input=1, output=1)).cost_nanos == 1


def test_counts_that_exceed_their_whole_are_a_bug(book: PriceBook) -> None:
    with pytest.raises(InvariantViolated):
        book.quote(Usage(input=0, output=0, cache_read=9), provider="anthropic", model="claude-opus-4-7", at=AT)
    with pytest.raises(InvariantViolated):
        book.quote_units({"cache_read_tokens": 9}, provider="anthropic", model="claude-opus-4-7", at=AT)


def test_a_moment_without_a_time_zone_is_a_bug(book: PriceBook) -> None:
    with pytest.raises(InvariantViolated):
        book.quote(MILLION, provider="openai", model="gpt-4o", at=AT.replace(tzinfo=None))


def test_a_misspelt_unit_is_a_bug(book: PriceBook) -> None:
    with pytest.raises(InvariantViolated):
        book.quote_units({"input_token": 9}, provider="openai", model="gpt-4o", at=AT)


def test_the_digest_names_the_content(book: PriceBook) -> None:
    """The same data gives the same digest; a price, a date or a name that leads elsewhere gives another."""
    base = model_of(ModelPrice(input_mtok=Decimal(1)))
    variant = PriceVariant({"processing": "batch"}, ModelPrice(input_mtok=Decimal("0.5")))
    dated = [
        ConditionalPrice(prices=ModelPrice(input_mtok=Decimal(1))),
        ConditionalPrice(StartDateConstraint(date(2027, 1, 1)), prices=ModelPrice(input_mtok=Decimal(2))),
    ]
    others = [
        model_of(ModelPrice(input_mtok=Decimal("1.000001"))),
        model_of(ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(0))),
        model_of(base.prices, price_variants=[variant]),
        model_of(dated),
        replace(base, match=ClauseEquals("n")),
    ]
    digests = [book_of(model).digest for model in [base, *others]]
    assert len(set(digests)) == len(digests)
    assert book_of(model_of(ModelPrice(input_mtok=Decimal("1.00")))).digest == digests[0]
    assert compile_book(providers).digest == book.digest


PINNED = {"genai-prices 0.2.3": "652d50184a9c1ad023232451fc637952"}


def test_a_release_of_the_data_has_one_digest(book: PriceBook) -> None:
    """A digest that moves under a pinned version means that compiled prices changed without new data."""
    assert book.digest == PINNED.get(book.version, book.digest)


def test_every_quote_names_a_row(book: PriceBook) -> None:
    rows = {row.price_id: row for row in book.rows()}
    assert len(rows) == len(book) == len(list(book.rows()))
    quote = book.quote(MILLION, provider="openai", model="gpt-5.6-sol", at=AT, service_tier="flex")
    assert quote.price_id is not None
    row = rows[quote.price_id]
    assert (row.provider, row.model, row.context) == ("openai", "gpt-5.6-sol", {"service_tier": "flex"})
    assert row.effective_from == datetime(2026, 10, 12, tzinfo=UTC)
    assert row.effective_to is None
    assert row.rates["input_tokens"] == {
        "usd": "2",
        "per": 1_000_000,
        "tiers": [{"input_tokens_over": 272_000, "usd": "4"}],
    }
    assert msgspec.json.decode(msgspec.json.encode(row), type=type(row)) == row


def test_a_row_tells_its_hours(book: PriceBook) -> None:
    hours = [
        row.rates["daily_utc"] for row in book.rows() if row.model == "deepseek-reasoner" and row.provider == "deepseek"
    ]
    assert [["00:30:00", "16:30:00"]] in hours


def test_a_variant_that_prices_nothing_shares_the_standard_card() -> None:
    variant = PriceVariant({"service_tier": "default"}, ModelPrice())
    book = book_of(model_of(ModelPrice(input_mtok=Decimal(1)), price_variants=[variant]))
    assert len(book) == 1
    assert price(book, tier="default") == price(book)


def test_prices_of_no_known_unit_or_no_amount_are_refused() -> None:
    with pytest.raises(ConfigError):
        book_of(model_of(ModelPrice(input_smells=Decimal(1))))
    with pytest.raises(ConfigError):
        book_of(model_of(ModelPrice(input_mtok=Decimal(-1))))
    with pytest.raises(ConfigError):
        book_of(model_of(ModelPrice(cache_read_mtok=Decimal(1))))


def test_memory_of_look_ups_is_bounded_whatever_names_are_sent(book: PriceBook) -> None:
    """Misses and hits alike: unknown names, and endless names that one pattern matches."""
    for number in range(3 * ANSWERS_MAX):
        book.rates(None, f"no-such-{number}", None, AT)
        book.rates("openai", "gpt-4o", f"tier-{number}", AT)
    assert book.remembered <= 2 * ANSWERS_MAX
    book.rates("openai", "g" * 100_000, None, AT)
    assert max(len(key[1]) for key in book._young) < 1000


def test_a_name_in_use_survives_a_flood_of_others(book: PriceBook) -> None:
    """What is asked again moves to the younger generation, so a flood does not push it out."""
    first = book.rates("deepseek", "deepseek-chat", None, AT)
    for number in range(ANSWERS_MAX + 10):
        book.rates(None, f"flood-{number}", None, AT)
        book.rates("deepseek", "deepseek-chat", None, AT)
    assert ("deepseek", "deepseek-chat", None) in book._young
    assert book.rates("deepseek", "deepseek-chat", None, AT) is first


def test_a_price_of_none_is_no_price() -> None:
    book = book_of(model_of(ModelPrice(input_mtok=None)))
    assert price(book).flags == QuoteFlag.UNPRICED
