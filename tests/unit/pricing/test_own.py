"""Prices of our own: `prices.toml` over the data, in one digest, each card saying where it came from."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from genai_prices.data import providers

from tollbook.domain.errors import ConfigError
from tollbook.domain.usage import Usage
from tollbook.pricing.book import PriceBook, compile_book
from tollbook.pricing.own import read_overrides
from tollbook.pricing.quote import Ceiling, Quote, QuoteFlag

AT = datetime(2026, 11, 5, 12, tzinfo=UTC)
MILLION = Usage(input=1_000_000, output=1_000_000)
MODELS = {"claude-opus-4-7", "claude-opus-4-8", "gpt-4o", "gpt-5.6-sol", "grok-4.5"}
SOME = [
    replace(provider, models=[model for model in provider.models if model.id in MODELS])
    for provider in providers
    if provider.id in {"anthropic", "openai", "x-ai"}
]


def book_with(text: str) -> PriceBook:
    return compile_book(SOME, own=read_overrides(text))


def price(book: PriceBook, provider: str | None, model: str, at: datetime = AT, **more: object) -> Quote:
    return book.quote(MILLION, provider=provider, model=model, at=at, **more)  # type: ignore[arg-type]


def origin(book: PriceBook, quote: Quote) -> str:
    return next(row.origin for row in book.rows() if row.price_id == quote.price_id)


OWN_MODEL = """
[[model]]
provider = "self-hosted"
model = "llama-4-70b"
names = ["meta/llama-4-70b*"]
usd = { input_tokens = "0.2", output_tokens = 0.4, requests = 1 }
"""


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("self-hosted", "llama-4-70b"),
        ("Self_Hosted", "LLAMA-4-70b"),
        (None, "llama-4-70b"),
        (None, "self-hosted/llama-4-70b"),
        ("self-hosted", "meta/llama-4-70b-instruct"),
    ],
)
def test_a_model_of_ones_own_is_priced(provider: str | None, name: str) -> None:
    book = book_with(OWN_MODEL)
    quote = price(book, provider, name)
    assert (quote.cost_nanos, quote.flags) == (600_000_000 + 1_000_000, 0)
    assert origin(book, quote) == "override"


def test_a_model_of_ones_own_at_a_known_provider_goes_before_the_datas() -> None:
    """A fine-tuned name would else be taken for its base by the data's patterns."""
    name = "gpt-4o-mini:acme"
    own = f'[[model]]\nprovider = "openai"\nmodel = "{name}"\nusd = {{ input_tokens = 1, output_tokens = 1 }}'
    assert price(book_with(own), "openai", name).cost_nanos == 2_000_000_000
    assert price(book_with(own), "openai", "gpt-4o") == price(book_with(""), "openai", "gpt-4o")


def test_a_correction_holds_in_its_span_and_leaves_the_rest_of_the_list() -> None:
    book = book_with(
        """
        [[price]]
        provider = "openai"
        model = "gpt-5.6-sol"
        usd = { input_tokens = "3.5" }
        from = 2026-11-01
        until = 2026-12-01T08:00:00+02:00
        """
    )
    list_nanos, own_nanos = 38_000_000_000, 33_500_000_000
    first, last = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, 6, tzinfo=UTC)
    instant = timedelta(microseconds=1)
    costs = [price(book, "openai", "gpt-5.6-sol", at).cost_nanos for at in (first - instant, first, last - instant)]
    assert costs == [list_nanos, own_nanos, own_nanos]
    assert price(book, "openai", "gpt-5.6-sol", last).cost_nanos == list_nanos
    flex = price(book, "openai", "gpt-5.6-sol", service_tier="flex")
    assert flex.cost_nanos == price(book_with(""), "openai", "gpt-5.6-sol", service_tier="flex").cost_nanos


def test_a_correction_of_a_context_the_data_lacks_makes_it_known() -> None:
    book = book_with(
        """
        [[price]]
        provider = "anthropic"
        model = "claude-opus-4-*"
        when = { service_tier = "priority" }
        usd = { input_tokens = 10, output_tokens = 50 }
        """
    )
    quote = price(book, "anthropic", "claude-opus-4-7", service_tier="priority")
    assert (quote.cost_nanos, quote.flags) == (60_000_000_000, 0)
    assert price(book, "anthropic", "claude-opus-4-7") == price(book_with(""), "anthropic", "claude-opus-4-7")


def test_the_last_written_of_two_prices_counts() -> None:
    entry = '[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\nusd = { input_tokens = %d, output_tokens = 0 }\n'
    assert price(book_with(entry % 1 + entry % 2), "openai", "gpt-4o").cost_nanos == 2_000_000_000


def test_units_of_our_own_are_priced_by_the_file() -> None:
    book = book_with(
        """
        [[price]]
        provider = "openai"
        model = "gpt-5.6-sol"
        usd = { cache_write_12h_tokens = "8" }
        """
    )
    usage = Usage(input=1_000, output=0, cache_write_5m=1_000)
    usual = book.quote(usage, provider="openai", model="gpt-5.6-sol", at=AT)
    long = book.quote(usage, provider="openai", model="gpt-5.6-sol", at=AT, units={"cache_write_12h_tokens": 1_000})
    assert (long.cost_nanos, long.flags) == (8_000_000, 0)
    assert usual.cost_nanos < long.cost_nanos


DISCOUNTS = """
[[discount]]
name = "everyone"
percent = 1
until = 2027-01-01

[[discount]]
name = "acme"
tenant = "acme"
percent = 10

[[discount]]
name = "acme at openai"
tenant = "acme"
provider = "openai"
percent = "20"

[[discount]]
name = "acme's opus, while it lasts"
tenant = "acme"
provider = "anthropic"
model = "claude-opus-4-7"
percent = 50
from = 2026-11-01
until = 2026-11-10

[[discount]]
name = "opus for all"
provider = "anthropic"
model = "claude-opus-4-8"
percent = 30

[[discount]]
name = "searches"
tenant = "globex"
units = ["web_searches"]
percent = 100
"""


@pytest.mark.parametrize(
    ("tenant", "provider", "model", "percent"),
    [
        (None, "openai", "gpt-4o", 99),
        ("initech", "x-ai", "grok-4.5", 99),
        ("acme", "x-ai", "grok-4.5", 90),
        ("acme", "openai", "gpt-4o", 80),
        ("acme", "anthropic", "claude-opus-4-7", 50),
        ("acme", "anthropic", "claude-opus-4-8", 90),
        ("initech", "anthropic", "claude-opus-4-8", 70),
        ("globex", "openai", "gpt-4o", 100),
    ],
)
def test_the_most_specific_discount_counts_alone(tenant: str | None, provider: str, model: str, percent: int) -> None:
    book = book_with(DISCOUNTS)
    quote = price(book, provider, model, tenant=tenant)
    assert quote.cost_nanos * 100 == price(book_with(""), provider, model).cost_nanos * percent
    assert origin(book, quote) == "discount"


def test_a_discount_ends_and_the_next_one_holds() -> None:
    book, listed = book_with(DISCOUNTS), price(book_with(""), "anthropic", "claude-opus-4-7").cost_nanos
    costs = [
        price(book, "anthropic", "claude-opus-4-7", at=datetime(2026, month, day, tzinfo=UTC), tenant="acme").cost_nanos
        for month, day in ((10, 31), (11, 1), (11, 9), (11, 10))
    ]
    assert [cost * 10 for cost in costs] == [listed * 9, listed * 5, listed * 5, listed * 9]
    after = datetime(2027, 1, 1, tzinfo=UTC)
    found, listed_after = price(book, "openai", "gpt-4o", at=after), price(book_with(""), "openai", "gpt-4o", at=after)
    assert (found.cost_nanos, origin(book, found)) == (listed_after.cost_nanos, "data")


def test_a_discount_on_some_units_leaves_the_others() -> None:
    book = book_with(DISCOUNTS)
    units = {"web_searches": 1_000}
    with_search = price(book, "anthropic", "claude-opus-4-7", tenant="globex", units=units)
    assert with_search.cost_nanos == price(book_with(""), "anthropic", "claude-opus-4-7").cost_nanos


def test_a_discount_applies_to_a_tier_and_to_an_uplift() -> None:
    book = book_with(DISCOUNTS)
    more = {"service_tier": "batch", "context": {"inference_geo": "us"}}
    here = price(book, "anthropic", "claude-opus-4-8", tenant="acme", **more)
    assert here.cost_nanos == int(15_000_000_000 * Decimal("1.1") * Decimal("0.9"))
    row = next(row for row in book.rows() if row.price_id == here.price_id)
    assert [factor["name"] for factor in row.factors] == ["anthropic-us", "acme"]


def test_a_discount_of_nothing_is_a_card_of_its_own() -> None:
    """Two cards of equal prices differ by where they come from: an entry says under which terms it was priced."""
    book = book_with('[[discount]]\nname = "none"\ntenant = "acme"\npercent = 0\n')
    own, listed = price(book, "openai", "gpt-4o", tenant="acme"), price(book, "openai", "gpt-4o")
    assert own.cost_nanos == listed.cost_nanos
    assert (origin(book, own), origin(book, listed)) == ("discount", "data")


def test_tenants_with_one_discount_share_its_cards() -> None:
    entry = '[[discount]]\nname = "d"\ntenant = "%s"\nprovider = "openai"\npercent = 5\n'
    one, many = book_with(entry % "t0"), book_with("".join(entry % f"t{number}" for number in range(50)))
    assert len(one) == len(many)
    assert one.digest != many.digest


def test_an_uplift_of_our_own_holds_in_its_context() -> None:
    book = book_with(
        """
        [[uplift]]
        name = "eu"
        provider = "openai"
        when = { inference_geo = "eu" }
        units = ["tokens"]
        percent = 10
        """
    )
    here = price(book, "openai", "gpt-4o", context={"inference_geo": "eu"})
    assert here.cost_nanos * 10 == price(book, "openai", "gpt-4o").cost_nanos * 11
    assert here.flags == 0


def test_a_ceiling_of_a_unit_is_set_by_the_file() -> None:
    own = read_overrides("[ceiling]\nweb_searches = 1")
    book = compile_book([], own=own, unpriced=Ceiling(input_usd_per_mtok=Decimal(0), output_usd_per_mtok=Decimal(0)))
    assert price(book, None, "m", units={"web_searches": 1_000}).cost_nanos == 1_000_000_000
    assert price(book, None, "m").flags == QuoteFlag.UNPRICED


def test_a_file_that_says_nothing_changes_no_digest() -> None:
    assert book_with("").digest == book_with("# nothing\n").digest == compile_book(SOME).digest
    assert book_with(OWN_MODEL).digest != compile_book(SOME).digest


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[price", "prices.toml"),
        ("[[prices]]", "prices"),
        ('[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\nusd = { input_token = 1 }', "no unit input_token"),
        ('[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\nusd = { input_tokens = -1 }', "no amount"),
        ('[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\nusd = { input_tokens = nan }', "no amount"),
        ('[[price]]\nprovider = "openai"\nmodel = "gpt-99*"\nusd = { input_tokens = 1 }', "no model gpt-99"),
        ('[[price]]\nprovider = "nobody"\nmodel = "m"\nusd = { input_tokens = 1 }', "provider nobody"),
        ('[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\nusd = {}\nfrom = 2026-02-01\nuntil = 2026-01-01', "ends"),
        ('[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\nusd = {}\nfrom = 2026-01-01T00:00:00', "no offset"),
        ('[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\nusd = {}\nform = 2026-01-01', "form"),
        ('[[model]]\nprovider = "openai"\nmodel = "gpt-4o"\nusd = { input_tokens = 1 }', "already"),
        ('[[model]]\nprovider = "a"\nmodel = "m*"\nusd = { input_tokens = 1 }', "names"),
        ('[[model]]\nprovider = "a"\nmodel = "m"\nusd = { cache_read_tokens = 1 }', "inconsistent"),
        ('[[discount]]\nname = "d"\npercent = 101', "0 to 100"),
        ('[[discount]]\nname = "d"\npercent = 1\nprovider = "opanai"', "opanai"),
        ('[[uplift]]\nname = "u"\nprovider = "openai"\nwhen = {}\npercent = 1', "where"),
        ("[ceiling]\ninput_tokens = 1", "TOLLBOOK_UNPRICED"),
    ],
)
def test_a_file_that_is_wrong_says_where(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        book_with(text)
