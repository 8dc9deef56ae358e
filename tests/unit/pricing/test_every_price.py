"""Every price of every model equals genai-prices' own calculation, to the nano-dollar."""

from random import Random

import pytest
from genai_prices.data import providers
from genai_prices.types import Provider

from tests.unit.pricing.reference import (
    addressable,
    contexts,
    moments,
    price_entries,
    reference_nanos,
    usages,
)
from tollbook.domain.usage import Usage
from tollbook.pricing.book import compile_book
from tollbook.pricing.quote import QuoteFlag
from tollbook.pricing.units import COUNTED_UNITS, units_of

PARTS = [
    pytest.param(provider, part, id=f"{provider.id}-{part}")
    for provider in providers
    for part in range(len(provider.models) // 150 + 1)
]
COUNTS = [
    Usage(input=9_003, output=1_009, cache_read=5_001, cache_write_5m=701, cache_write_1h=307, reasoning=211),
    Usage(input=300_007, output=31, cache_read=299_993, reasoning=31),
]


def part_of(provider: Provider, part: int) -> tuple[Provider, range]:
    named = addressable(provider)
    return named, range(part * 150, min((part + 1) * 150, len(named.models)))


@pytest.mark.parametrize(("provider", "part"), PARTS)
def test_any_units_cost_what_genai_prices_says(provider: Provider, part: int) -> None:
    """Each unit alone and together, on both sides of each tier, date and hour, in each context."""
    named, positions = part_of(provider, part)
    book = compile_book([named])
    random = Random(part)
    for position in positions:
        model = named.models[position]
        for at in moments(model):
            for context in contexts(model):
                for units in usages(model, random):
                    expected = reference_nanos(model, named, units, at, context)
                    quote = book.quote_units(
                        units, provider=named.id, model=f"model-{position}", at=at, context=context
                    )
                    if quote is None:
                        assert expected == 0, (model.id, at, context)
                        assert not vars(model.get_prices(at, context)), (model.id, at, context)
                    else:
                        assert quote.cost_nanos == expected, (model.id, at, context, units)


@pytest.mark.parametrize(("provider", "part"), PARTS)
def test_the_six_counts_cost_what_genai_prices_says(provider: Provider, part: int) -> None:
    """The hot path, in each service tier, agrees with the judge and with the slow path."""
    named, positions = part_of(provider, part)
    book = compile_book([named])
    for position in positions:
        model = named.models[position]
        for at in moments(model):
            for context in [c for c in contexts(model) if len(c) <= 1]:
                if context.keys() & {"route", "search_type"}:
                    continue
                tier = next(iter(context.values()), None)
                for counts in COUNTS:
                    quote = book.quote(counts, provider=named.id, model=f"model-{position}", at=at, service_tier=tier)
                    if quote.flags & QuoteFlag.UNPRICED:
                        entry = model.get_prices(at, context)
                        assert not entry.requests_kcount
                        assert not any(key.endswith("_mtok") for key in vars(entry)), model.id
                        continue
                    expected = reference_nanos(model, named, units_of(counts), at, context)
                    assert quote.cost_nanos == expected, (model.id, at, context)


def test_the_units_of_the_six_counts_are_those_that_carry_nearly_every_price() -> None:
    """The hot path fills the units that models are priced by; a shift in the data would show here."""
    keys = {"input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok"}
    entries = [entry for provider in providers for model in provider.models for entry in price_entries(model)]
    priced = [vars(entry).keys() for entry in entries if vars(entry)]
    assert sum(1 for found in priced if found & keys) / len(priced) > 0.98
    assert len(COUNTED_UNITS) == 7
