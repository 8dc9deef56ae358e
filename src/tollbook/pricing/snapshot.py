"""Price data as bytes that the ledger keeps, so that a book can be compiled again when its release is gone.

Only what a book is compiled from: names, prices, variants and dates.
"""

import zlib
from collections.abc import Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any

import msgspec
from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    ConditionalPrice,
    MatchLogic,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)

from tollbook.domain.errors import ConfigError

_LAYOUT = 1
_SIZE_MAX = 64 * 1024 * 1024


def packed(providers: Sequence[Provider]) -> bytes:
    """Compressed JSON, some 150 kB for the whole data. Raises `ConfigError` for an unknown kind of clause or date."""
    shown = [
        {
            "id": provider.id,
            "match": None if provider.model_match is None else _clause(provider.model_match),
            "lenders": provider.fallback_model_providers,
            "models": [_model(model) for model in provider.models],
        }
        for provider in providers
    ]
    return zlib.compress(msgspec.json.encode({"layout": _LAYOUT, "providers": shown}), 9)


def unpacked(data: bytes) -> list[Provider]:
    """The data of `packed`. Raises `ConfigError` where it is of a layout that this version does not know."""
    try:
        read = msgspec.json.decode(zlib.decompressobj().decompress(data, _SIZE_MAX))
        if read["layout"] != _LAYOUT:
            raise ConfigError(f"price data of layout {read['layout']} was kept by a newer version")
        return [
            Provider(
                id=shown["id"],
                name=shown["id"],
                api_pattern="(?!)",
                model_match=None if shown["match"] is None else _match(shown["match"]),
                fallback_model_providers=shown["lenders"],
                models=[_model_info(model) for model in shown["models"]],
            )
            for shown in read["providers"]
        ]
    except (zlib.error, msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"the kept price data cannot be read: {error}") from error


def _model(model: ModelInfo) -> dict[str, Any]:
    entries = model.prices if isinstance(model.prices, list) else [ConditionalPrice(prices=model.prices)]
    return {
        "id": model.id,
        "match": _clause(model.match),
        "dated": isinstance(model.prices, list),
        "prices": [[_constraint(entry.constraint), _prices(entry.prices)] for entry in entries],
        "variants": [
            [variant.when, _constraint(variant.constraint), _prices(variant.prices)]
            for variant in model.price_variants or ()
        ],
    }


def _model_info(shown: dict[str, Any]) -> ModelInfo:
    entries = [
        ConditionalPrice(constraint=_limit(constraint), prices=_model_price(prices))
        for constraint, prices in shown["prices"]
    ]
    return ModelInfo(
        id=shown["id"],
        match=_match(shown["match"]),
        prices=entries if shown["dated"] else entries[0].prices,
        price_variants=[
            PriceVariant(when=when, constraint=_limit(constraint), prices=_model_price(prices))
            for when, constraint, prices in shown["variants"]
        ]
        or None,
    )


def _clause(clause: MatchLogic) -> list[Any]:
    match clause:
        case ClauseEquals(equals=text):
            return ["equals", text]
        case ClauseStartsWith(starts_with=text):
            return ["starts_with", text]
        case ClauseEndsWith(ends_with=text):
            return ["ends_with", text]
        case ClauseContains(contains=text):
            return ["contains", text]
        case ClauseRegex(regex=text):
            return ["regex", text]
        case ClauseOr(or_=clauses):
            return ["or", [_clause(part) for part in clauses]]
        case ClauseAnd(and_=clauses):
            return ["and", [_clause(part) for part in clauses]]
        case _:
            raise ConfigError(f"the price data matches names in an unknown way: {clause!r}")


def _match(shown: list[Any]) -> MatchLogic:
    kind, value = shown
    match kind:
        case "equals":
            return ClauseEquals(equals=value)
        case "starts_with":
            return ClauseStartsWith(starts_with=value)
        case "ends_with":
            return ClauseEndsWith(ends_with=value)
        case "contains":
            return ClauseContains(contains=value)
        case "regex":
            return ClauseRegex(regex=value)
        case "or":
            return ClauseOr(or_=[_match(part) for part in value])
        case "and":
            return ClauseAnd(and_=[_match(part) for part in value])
        case _:
            raise ConfigError(f"the kept price data matches names in an unknown way: {kind}")


def _prices(prices: ModelPrice) -> dict[str, Any]:
    return {key: _price(value) for key, value in vars(prices).items() if value is not None and key[:1] != "_"}


def _price(value: object) -> str | list[Any]:
    if isinstance(value, TieredPrices):
        return [str(value.base), [[tier.start, str(tier.price)] for tier in value.tiers]]
    return str(value)


def _model_price(shown: dict[str, Any]) -> ModelPrice:
    found: dict[str, Decimal | TieredPrices | None] = {}
    for key, value in shown.items():
        if isinstance(value, str):
            found[key] = Decimal(value)
        else:
            base, tiers = value
            found[key] = TieredPrices(
                base=Decimal(base), tiers=[Tier(start=start, price=Decimal(price)) for start, price in tiers]
            )
    return ModelPrice(**found)


def _constraint(constraint: object) -> list[Any] | None:
    match constraint:
        case None:
            return None
        case StartDateConstraint(start_date=day):
            return ["from", day]
        case TimeOfDateConstraint(start_time=start, end_time=until):
            return ["daily", start, until]
        case _:
            raise ConfigError(f"the price data has a date of an unknown kind: {constraint!r}")


def _limit(shown: list[Any] | None) -> StartDateConstraint | TimeOfDateConstraint | None:
    match shown:
        case None:
            return None
        case ["from", day]:
            return StartDateConstraint(start_date=date.fromisoformat(day))
        case ["daily", start, until]:
            return TimeOfDateConstraint(start_time=time.fromisoformat(start), end_time=time.fromisoformat(until))
        case _:
            raise ConfigError(f"the kept price data has a date of an unknown kind: {shown!r}")
