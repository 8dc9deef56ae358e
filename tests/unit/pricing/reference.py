"""What genai-prices itself says a call costs: the judge of every rate compiled here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from random import Random

from genai_prices import Usage as GenaiUsage
from genai_prices.data_units import unit_data
from genai_prices.types import (
    ClauseEquals,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)
from genai_prices.units import UnitRegistry

REGISTRY = UnitRegistry(unit_data)
ORDINARY = datetime(2026, 11, 5, 11, 30, tzinfo=UTC)
TOKYO = timezone(timedelta(hours=9))
INSTANT = timedelta(microseconds=1)


def reference_nanos(
    model: ModelInfo, provider: Provider, units: Mapping[str, int], at: datetime, context: Mapping[str, str]
) -> int:
    """`calc_price`'s total with enough digits to be exact, quantised once to nano-dollars."""
    usage = GenaiUsage(**{unit: count for unit, count in units.items() if unit != "requests"})
    with localcontext(prec=80):
        total = model.calc_price(usage, provider, genai_request_timestamp=at, price_context=dict(context)).total_price
        return int((total * 10**9).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def addressable(provider: Provider) -> Provider:
    """The provider with each model under a name of its own, so that none hides behind an earlier one."""
    models = [replace(model, match=ClauseEquals(f"model-{position}")) for position, model in enumerate(provider.models)]
    return replace(provider, models=models, fallback_model_providers=None)


def price_entries(model: ModelInfo) -> list[ModelPrice]:
    """Every price entry of a model: standard, dated, and of each variant."""
    standard = [entry.prices for entry in model.prices] if isinstance(model.prices, list) else [model.prices]
    return standard + [variant.prices for variant in model.price_variants or ()]


def priced_units(model: ModelInfo) -> list[str]:
    """Every unit that any entry of the model prices."""
    keys = {key for entry in price_entries(model) for key, price in vars(entry).items() if price is not None}
    return sorted(REGISTRY.unit_for_price_key(key).usage_key for key in keys)


def thresholds(model: ModelInfo) -> list[int]:
    """Every tier boundary of the model."""
    return sorted(
        {
            tier.start
            for entry in price_entries(model)
            for price in vars(entry).values()
            if isinstance(price, TieredPrices)
            for tier in price.tiers
        }
    )


def moments(model: ModelInfo) -> list[datetime]:
    """The last instant before and the first instant of every date and hour at which a price may change."""
    entries = model.prices if isinstance(model.prices, list) else []
    constraints = [entry.constraint for entry in entries]
    constraints += [variant.constraint for variant in model.price_variants or ()]
    days = {
        datetime.combine(limit.start_date, datetime.min.time(), tzinfo=UTC)
        for limit in constraints
        if isinstance(limit, StartDateConstraint)
    }
    hours = {
        hour
        for limit in constraints
        if isinstance(limit, TimeOfDateConstraint)
        for hour in (limit.start_time, limit.end_time)
    }
    found = [ORDINARY.astimezone(TOKYO)]
    for day in days:
        found += [day - INSTANT, day.astimezone(TOKYO)]
    for day in {ORDINARY, *days, *(day - timedelta(days=2) for day in days)}:
        for hour in hours:
            edge = datetime.combine(day.date(), hour.replace(tzinfo=UTC))
            found += [edge - INSTANT, edge]
    return found


def contexts(model: ModelInfo) -> list[dict[str, str]]:
    """No context, each variant's, every two variants' together, and one that no variant knows."""
    whens = [variant.when for variant in model.price_variants or ()]
    pairs = [{**second, **first} for first in whens for second in whens]
    distinct = {tuple(sorted(when.items())): when for when in [{}, *whens, *pairs]}
    return [*distinct.values(), {"service_tier": "ultrafast"}]


def usages(model: ModelInfo, random: Random) -> Iterator[dict[str, int]]:
    """Consistent inclusive counts: each unit alone, all at once, and both sides of each tier boundary."""
    units = priced_units(model)
    for unit in units:
        yield inclusive({unit: random.randrange(1, 10**7)}, units)
    yield inclusive({unit: random.randrange(10**6) for unit in units}, units)
    for start in thresholds(model):
        few = inclusive({unit: random.randrange(500) for unit in units}, units)
        for total in (start, start + 1):
            yield {**few, "input_tokens": total}


def inclusive(leaves: Mapping[str, int], units: Sequence[str]) -> dict[str, int]:
    """The inclusive count of every unit: the sum of the leaves at and below it."""
    return {
        unit: sum(count for leaf, count in leaves.items() if leaf == unit or unit in REGISTRY.ancestor_usage_keys(leaf))
        for unit in units
    }
