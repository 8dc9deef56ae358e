"""Units beside the six counts: every priced one costs what genai-prices says, and none is lost in silence."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import pytest
from genai_prices.data import providers
from genai_prices.types import ModelInfo, Provider, TieredPrices
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.pricing.reference import (
    REGISTRY,
    contexts,
    inclusive,
    moments,
    price_entries,
    priced_units,
    reference_nanos,
    thresholds,
)
from tests.unit.pricing.test_every_price import PARTS, part_of
from tollbook.domain.errors import UnitsRefused
from tollbook.domain.usage import Usage
from tollbook.pricing.book import PriceBook, compile_book
from tollbook.pricing.quote import UNIT_CEILINGS, Ceiling, Quote, QuoteFlag
from tollbook.pricing.units import COUNTED_UNITS

AT = datetime(2026, 11, 5, 12, tzinfo=UTC)
BESIDE = {"tool_calls", "rerank"}


def usage_of(whole: dict[str, int]) -> tuple[Usage, dict[str, int]]:
    """Inclusive units of the data as an event has them: six counts, and the rest."""
    counts = Usage(
        input=whole.get("input_tokens", 0),
        output=whole.get("output_tokens", 0),
        cache_read=whole.get("cache_read_tokens", 0),
        cache_write_5m=whole.get("cache_write_tokens", 0) - whole.get("cache_write_1h_tokens", 0),
        cache_write_1h=whole.get("cache_write_1h_tokens", 0),
        reasoning=whole.get("output_reasoning_tokens", 0),
    )
    beside = {unit: count for unit, count in whole.items() if unit not in COUNTED_UNITS and unit != "requests"}
    return counts, beside


def usages(model: ModelInfo, random: Random) -> Iterator[dict[str, int]]:
    """Every unit that the model prices at once, each with its whole alone, and both sides of each tier boundary."""
    units = priced_units(model)
    yield inclusive({unit: random.randrange(1, 10**6) for unit in units}, units)
    for unit in units:
        if unit not in COUNTED_UNITS:
            yield inclusive({unit: random.randrange(1, 10**6)}, units)
    for start in thresholds(model):
        few = inclusive({unit: random.randrange(1, 500) for unit in units}, units)
        for total in (start, start + 1):
            yield {**few, "input_tokens": total}


@pytest.mark.parametrize(("provider", "part"), PARTS)
def test_an_events_units_cost_what_genai_prices_says(provider: Provider, part: int) -> None:
    """Every unit of every model, on both sides of each tier, date and hour, in each context, as an event has them."""
    named, positions = part_of(provider, part)
    book = compile_book([named])
    random = Random(part)
    checked = 0
    for position in positions:
        model = named.models[position]
        if not set(priced_units(model)) - COUNTED_UNITS.keys() - {"requests"}:
            continue
        for at in moments(model):
            for context in contexts(model):
                for whole in usages(model, random):
                    counts, beside = usage_of(whole)
                    rates = book.rates(named.id, f"model-{position}", None, at, context=context)
                    quote = rates.quote(counts, beside)
                    if quote.flags & (QuoteFlag.UNPRICED | QuoteFlag.UNITS_UNPRICED):
                        entry = model.get_prices(at, context)
                        priced = {REGISTRY.unit_for_price_key(key).usage_key for key in vars(entry)}
                        assert not {unit for unit, count in whole.items() if count} <= priced, (model.id, whole)
                        continue
                    expected = reference_nanos(model, named, whole, at, context)
                    assert quote.cost_nanos == expected, (model.id, at, context, whole)
                    assert rates.cost_nanos(counts, beside) == expected
                    checked += 1
    assert checked or not any(set(priced_units(named.models[place])) - COUNTED_UNITS.keys() for place in positions)


def quote(book: PriceBook, name: tuple[str, str], units: dict[str, int], **counts: int) -> Quote:
    usage = Usage(**{"input": 0, "output": 0, **counts})
    return book.quote(usage, provider=name[0], model=name[1], at=AT, units=units)


OPUS = ("anthropic", "claude-opus-4-7")


def test_a_fee_is_charged_beside_the_tokens(book: PriceBook) -> None:
    plain = quote(book, OPUS, {}, input=1_000)
    searched = quote(book, OPUS, {"web_searches": 3}, input=1_000)
    assert searched.cost_nanos - plain.cost_nanos == 30_000_000
    assert (searched.price_id, searched.flags) == (plain.price_id, 0)


def test_a_part_without_a_price_costs_what_its_whole_does(book: PriceBook) -> None:
    parts = {"input_image_tokens": 400, "input_text_tokens": 600, "output_text_tokens": 5}
    assert quote(book, OPUS, parts, input=1_000, output=5) == quote(book, OPUS, {}, input=1_000, output=5)


def test_a_fee_without_a_price_costs_the_ceilings_and_says_so(book: PriceBook) -> None:
    plain, run = quote(book, OPUS, {}, input=10), quote(book, OPUS, {"code_executions": 2}, input=10)
    assert run.cost_nanos - plain.cost_nanos == 60_000_000
    assert (run.price_id, run.flags) == (plain.price_id, QuoteFlag.UNITS_UNPRICED)


def test_the_ceiling_of_a_unit_is_configurable() -> None:
    book = compile_book(list(providers[:3]), unpriced=Ceiling(units={"web_searches": Decimal(7)}))
    found = book.quote(Usage(input=0, output=0), provider="nobody", model="m", at=AT, units={"web_searches": 1_000})
    assert (found.cost_nanos, found.price_id) == (7_000_000_000, None)
    assert found.flags == QuoteFlag.UNPRICED | QuoteFlag.UNITS_UNPRICED


def test_the_ceilings_of_units_are_the_dearest_list_prices() -> None:
    """Where the data moves away from a documented figure, the figure is to be chosen anew."""
    for provider in providers:
        for model in provider.models:
            for entry in price_entries(model):
                for key, value in vars(entry).items():
                    unit = REGISTRY.unit_for_price_key(key)
                    if unit.dimensions["family"] in {"tokens", "requests"} or value is None:
                        continue
                    listed = value.base if isinstance(value, TieredPrices) else value
                    assert listed <= UNIT_CEILINGS[unit.usage_key], (provider.id, model.id, key)
    others = set(REGISTRY.units) - UNIT_CEILINGS.keys()
    assert {REGISTRY.units[unit].dimensions["family"] for unit in others} == {"tokens", "requests"}


def test_another_measure_of_what_tokens_pay_for_costs_nothing(book: PriceBook) -> None:
    """Mistral tells the seconds of a prompt beside its tokens; a model that is sold by the token has no other price."""
    heard = {"input_audio_seconds": 60, "input_characters": 900}
    assert quote(book, OPUS, heard, input=1_000) == quote(book, OPUS, {}, input=1_000)


def test_a_measure_that_nothing_pays_for_costs_the_ceilings(book: PriceBook) -> None:
    found = quote(book, OPUS, {"input_audio_seconds": 3_600})
    assert (found.cost_nanos, found.flags) == (4_800_000_000, QuoteFlag.UNITS_UNPRICED)


def test_a_model_sold_by_a_measure_is_priced_by_it(book: PriceBook) -> None:
    spoken = quote(book, ("openai", "tts-1"), {"input_characters": 1_000_000}, input=250_000)
    assert (spoken.cost_nanos, spoken.flags) == (15_000_000_000, 0)
    assert spoken.price_id is not None
    assert quote(book, ("openai", "tts-1"), {"web_searches": 1}, input=10).flags & QuoteFlag.UNPRICED
    assert quote(book, ("openai", "tts-1"), {}, input=10).price_id is None


def test_seconds_of_either_direction_fill_their_whole(book: PriceBook) -> None:
    """whisper-1 is sold by `audio_seconds`; a dialect reports `input_audio_seconds`."""
    either = quote(book, ("openai", "whisper-1"), {"audio_seconds": 60})
    assert either.cost_nanos == 6_000_000
    assert quote(book, ("openai", "whisper-1"), {"input_audio_seconds": 60}) == either


def test_groq_bills_ten_seconds_at_least(book: PriceBook) -> None:
    whisper = ("groq", "whisper-large-v3")
    ten = quote(book, whisper, {"input_audio_seconds": 10})
    assert quote(book, whisper, {"input_audio_seconds": 3}) == ten
    assert quote(book, whisper, {"input_audio_seconds": 11}).cost_nanos > ten.cost_nanos


def test_cache_writes_of_thirty_minutes_are_openais_usual_ones(book: PriceBook) -> None:
    sol = ("openai", "gpt-5.6-sol")
    usual = quote(book, sol, {}, input=1_000, cache_write_5m=600)
    assert quote(book, sol, {"cache_write_30m_tokens": 600}, input=1_000, cache_write_5m=600) == usual


def test_cache_writes_of_twelve_hours_have_no_list_price_and_say_so(book: PriceBook) -> None:
    sol = ("openai", "gpt-5.6-sol")
    usual = quote(book, sol, {}, input=1_000, cache_write_5m=600)
    long = quote(book, sol, {"cache_write_12h_tokens": 600}, input=1_000, cache_write_5m=600)
    assert (long.cost_nanos, long.flags) == (usual.cost_nanos, QuoteFlag.UNITS_UNPRICED)


def test_fetches_are_free_at_anthropic_and_searches_of_files_are_storage_searches_at_openai(book: PriceBook) -> None:
    assert quote(book, OPUS, {"web_fetches": 9}, input=10) == quote(book, OPUS, {}, input=10)
    searched = quote(book, ("openai", "gpt-5.6-sol"), {"file_searches": 4}, input=10)
    assert searched == quote(book, ("openai", "gpt-5.6-sol"), {"storage_searches": 4}, input=10)
    assert searched.flags == 0
    assert quote(book, ("x-ai", "grok-4.5"), {"web_fetches": 1}, input=10).flags & QuoteFlag.UNITS_UNPRICED


def test_requests_are_one_unless_a_sender_says_how_many(book: PriceBook) -> None:
    sonar = ("perplexity", "sonar-reasoning-pro")
    one, three = quote(book, sonar, {}), quote(book, sonar, {"requests": 3})
    assert three.cost_nanos == 3 * one.cost_nanos
    assert quote(book, OPUS, {"requests": 3}, input=10) == quote(book, OPUS, {}, input=10)


def test_parts_that_together_exceed_their_whole_are_refused(book: PriceBook) -> None:
    live = ("openai", "gpt-realtime")
    within = {"input_audio_tokens": 60, "input_image_tokens": 40}
    assert quote(book, live, within, input=100).flags == 0
    with pytest.raises(UnitsRefused, match="input_tokens"):
        quote(book, live, {**within, "input_image_tokens": 41}, input=100)


UNITS = sorted(set(REGISTRY.units) - COUNTED_UNITS.keys())
NAMES = [
    ("openai", "gpt-realtime"),
    ("openai", "gpt-image-1"),
    ("google", "gemini-2.5-flash"),
    ("perplexity", "sonar-deep-research"),
    ("anthropic", "claude-opus-4-8"),
    ("mistral", "mistral-ocr-latest"),
    (None, "no-such-model"),
]


@given(
    name=st.sampled_from(NAMES),
    counts=st.tuples(*(st.integers(0, 10**6),) * 6),
    units=st.dictionaries(st.sampled_from(UNITS), st.integers(0, 10**6), max_size=5),
)
def test_any_units_are_priced_or_refused_and_never_lower_a_cost_below_zero(
    book: PriceBook, name: tuple[str | None, str], counts: tuple[int, ...], units: dict[str, int]
) -> None:
    """No report stops the process: it has a cost of zero or more, or a refusal with a code."""
    extra, output, read, short, long, reasoning = counts
    usage = Usage(
        input=read + short + long + extra,
        output=output + reasoning,
        cache_read=read,
        cache_write_5m=short,
        cache_write_1h=long,
        reasoning=reasoning,
    )
    rates = book.rates(*name, None, AT)
    try:
        found = rates.quote(usage, units)
    except UnitsRefused:
        return
    assert found.cost_nanos >= 0
    fees = {unit for unit, count in units.items() if count and REGISTRY.units[unit].dimensions["family"] in BESIDE}
    if fees and found.cost_nanos == rates.cost_nanos(usage):
        assert found.flags or fees == {"web_fetches"}


@given(st.integers(1, 10**4), st.integers(1, 9), st.integers(1, 9))
def test_a_cost_is_linear_within_a_tier(book: PriceBook, tokens: int, times: int, searches: int) -> None:
    """All prices here are whole nano-dollars, so that nothing is lost to the rounding."""
    once = quote(book, OPUS, {"web_searches": searches}, input=1_000 * tokens, output=1_000 * tokens)
    more = {"input": 1_000 * tokens * times, "output": 1_000 * tokens * times}
    assert quote(book, OPUS, {"web_searches": searches * times}, **more).cost_nanos == times * once.cost_nanos
