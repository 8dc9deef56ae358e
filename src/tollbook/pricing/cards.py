"""Rate cards: the exact prices of one model in one context over one span of time."""

from collections.abc import Mapping
from datetime import datetime, time
from decimal import Decimal, localcontext
from enum import StrEnum
from fractions import Fraction
from hashlib import blake2b
from typing import Any

import msgspec
from genai_prices.types import ModelPrice, TieredPrices

from tollbook.domain.errors import ConfigError, invariant
from tollbook.domain.money import NANOS_PER_USD
from tollbook.pricing.quote import TokenRates, nanos_rounded, token_rates
from tollbook.pricing.terms import AUDIO_UNITS, UnitTerms
from tollbook.pricing.units import COUNTED_UNITS, COUNTS, REQUESTS, Units

PRICE_ID_MAX = (1 << 63) - 1
"""Price ids fit the positive half of an 8-byte column."""


class Origin(StrEnum):
    """Where a card's prices come from: the data alone, a price or an uplift of our own, or a discount on those."""

    DATA = "data"
    OVERRIDE = "override"
    DISCOUNT = "discount"


class UnitPrice(msgspec.Struct, frozen=True, kw_only=True):
    """The declared price of one unit: dollars per `per` units, by thresholds of `input_tokens`."""

    unit: str
    per: int
    usd: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()
    """(input tokens that must be passed, dollars then), lowest threshold first. The whole call moves."""
    like: str = ""
    """The unit of the same card whose price stands in for one that the data lacks (`default_prices`)."""

    def times(self, factor: Decimal) -> "UnitPrice":
        """The same price raised or lowered by an exact factor."""
        tiers = tuple((start, _product(usd, factor)) for start, usd in self.tiers)
        return msgspec.structs.replace(self, usd=_product(self.usd, factor), tiers=tiers)

    def usd_above(self, input_tokens: int) -> Decimal:
        """Dollars per `per` units in a call of so many input tokens."""
        for start, usd in reversed(self.tiers):
            if input_tokens > start:
                return usd
        return self.usd

    def nanos_above(self, input_tokens: int) -> Fraction:
        """Exact nano-dollars per unit in a call of so many input tokens."""
        return Fraction(self.usd_above(input_tokens)) * NANOS_PER_USD / self.per


class CardScope(msgspec.Struct, frozen=True, kw_only=True):
    """Where a rate card holds. `daily_utc` are (from, until) times of day, until 00:00 is midnight."""

    provider: str
    model: str
    context: tuple[tuple[str, str], ...] = ()
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    daily_utc: tuple[tuple[time, time], ...] = ()
    billed_seconds_min: int = 0
    """A call with any audio is billed for at least so many seconds of it."""
    origin: Origin = Origin.DATA
    factors: tuple[tuple[str, Decimal], ...] = ()
    """What raised or lowered the listed prices to those of the card, by name: uplifts, then a discount."""


class PriceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A rate card as the ledger stores it: written once, referred to by `price_id`."""

    price_id: int
    provider: str
    model: str
    context: dict[str, str]
    effective_from: datetime | None
    effective_to: datetime | None
    rates: dict[str, Any]
    """JSON of strings and whole numbers: unit -> {usd, per, tiers}; and the daily hours, if any."""
    origin: str = Origin.DATA.value
    factors: list[dict[str, str]] = []
    """[{name, factor}] that the card's prices were multiplied by already."""


class RateCard(msgspec.Struct, frozen=True, kw_only=True):
    """A scope, its declared prices, and the rates compiled from them.

    `tokens` is None where the card prices neither tokens nor requests: six counts then say nothing of the
    cost.
    """

    price_id: int
    scope: CardScope
    prices: tuple[UnitPrice, ...]
    tokens: TokenRates | None
    terms: UnitTerms

    def nanos_of_units(self, counts: Mapping[str, int], units: Units) -> int:
        """Price any units at leaf rates, rounded once: for the six counts alone, what `tokens` gives."""
        counts = self._billed(counts)
        input_tokens = counts.get("input_tokens", 0)
        leaves = units.leaves(frozenset(price.unit for price in self.prices), counts)
        for unit, leaf in leaves.items():
            invariant(leaf >= 0, f"the parts of {unit} exceed it")
        exact = sum((price.nanos_above(input_tokens) * leaves[price.unit] for price in self.prices), Fraction(0))
        return nanos_rounded(exact)

    def row(self) -> PriceRow:
        """The card as the ledger stores it."""
        rates: dict[str, Any] = {price.unit: _price_json(price) for price in self.prices}
        if self.scope.daily_utc:
            rates["daily_utc"] = [[str(start), str(until)] for start, until in self.scope.daily_utc]
        if self.scope.billed_seconds_min:
            rates["billed_seconds_min"] = self.scope.billed_seconds_min
        return PriceRow(
            price_id=self.price_id,
            provider=self.scope.provider,
            model=self.scope.model,
            context=dict(self.scope.context),
            effective_from=self.scope.effective_from,
            effective_to=self.scope.effective_to,
            rates=rates,
            origin=self.scope.origin.value,
            factors=[{"name": name, "factor": decimal_text(factor)} for name, factor in self.scope.factors],
        )

    def _billed(self, counts: Mapping[str, int]) -> dict[str, int]:
        billed = {**counts, REQUESTS: 1}
        if self.scope.billed_seconds_min:
            seconds = counts.get(AUDIO_UNITS[0]) or counts.get(AUDIO_UNITS[1]) or 0
            if seconds:
                seconds = max(seconds, self.scope.billed_seconds_min)
            billed.update(dict.fromkeys(AUDIO_UNITS, seconds))
        return billed


def declared_prices(price: ModelPrice, units: Units) -> tuple[UnitPrice, ...]:
    """The prices of one entry of the data, in the order of their units' names.

    Raises `ConfigError` for a price that is no finite decimal of zero or more, or that prices no known unit.
    """
    found = []
    for price_key, value in vars(price).items():
        if value is None or price_key.startswith("_"):
            continue
        unit = units.of_price_key(price_key)
        if isinstance(value, TieredPrices):
            tiers = tuple(sorted((tier.start, _usd(tier.price, price_key)) for tier in value.tiers))
            found.append(UnitPrice(unit=unit.usage_key, per=unit.per, usd=_usd(value.base, price_key), tiers=tiers))
        else:
            found.append(UnitPrice(unit=unit.usage_key, per=unit.per, usd=_usd(value, price_key)))
    found.sort(key=lambda unit_price: unit_price.unit)
    units.check_nesting(frozenset(unit_price.unit for unit_price in found))
    return tuple(found)


def default_prices(provider: str, prices: tuple[UnitPrice, ...], units: Units) -> tuple[UnitPrice, ...]:
    """The prices with those of our own units that the provider's list implies and the data leaves out.

    OpenAI's (and so Azure's) cache write is the one of 30 minutes, and its search in files is what the data calls a
    storage search; Anthropic charges nothing for a web fetch beside its tokens. No list tells of 12 hours yet.
    """
    listed = {price.unit: price for price in prices}
    found = []
    if provider in {"openai", "azure"}:
        modal = any("modality" in units.named(unit).dimensions for unit in listed)
        if "cache_write_tokens" in listed and not modal:
            found.append(_like(listed["cache_write_tokens"], "cache_write_30m_tokens"))
        if "storage_searches" in listed:
            found.append(_like(listed["storage_searches"], "file_searches"))
    if provider == "anthropic" and "input_tokens" in listed:
        found.append(UnitPrice(unit="web_fetches", per=units.named("web_fetches").per, usd=Decimal(0)))
    added = [price for price in found if price.unit not in listed]
    return tuple(sorted([*prices, *added], key=lambda price: price.unit)) if added else prices


def _like(price: UnitPrice, unit: str) -> UnitPrice:
    return msgspec.structs.replace(price, unit=unit, like=price.unit)


def compile_card(
    scope: CardScope, prices: tuple[UnitPrice, ...], units: Units, ceilings: Mapping[str, Fraction]
) -> RateCard:
    """Give the prices their id and their integer rates. `ceilings` are nano-dollars of a unit without a price."""
    price_id = _price_id(scope, prices)
    starts = [0, *sorted({start for price in prices for start, _ in price.tiers})]
    levels = [
        (start, {price.unit: price.nanos_above(start + 1 if start else 0) for price in prices}) for start in starts
    ]
    terms = UnitTerms(units, ceilings, price_id=price_id, levels=levels, billed_seconds_min=scope.billed_seconds_min)
    tokens = _token_rates(price_id, levels, units)
    if tokens is not None:
        tokens = msgspec.structs.replace(tokens, terms=terms)
    return RateCard(price_id=price_id, scope=scope, prices=prices, tokens=tokens, terms=terms)


def hours_of(row: PriceRow) -> tuple[tuple[time, time], ...]:
    """The daily hours that a stored card holds in."""
    hours = row.rates.get("daily_utc", ())
    return tuple((time.fromisoformat(start), time.fromisoformat(until)) for start, until in hours)


def card_content(scope: CardScope, prices: tuple[UnitPrice, ...]) -> bytes:
    """The canonical text of a card: equal content, equal bytes, whatever way the numbers were written."""
    content: list[object] = [
        scope.provider,
        scope.model,
        sorted(scope.context),
        scope.effective_from,
        scope.effective_to,
        scope.daily_utc,
        scope.billed_seconds_min,
        {price.unit: _price_json(price) for price in prices},
    ]
    if scope.origin is not Origin.DATA:
        content.append([scope.origin.value, [[name, decimal_text(factor)] for name, factor in scope.factors]])
    return msgspec.json.encode(content, order="deterministic")


def _price_id(scope: CardScope, prices: tuple[UnitPrice, ...]) -> int:
    digest = blake2b(card_content(scope, prices), digest_size=8).digest()
    # 0 would read as false wherever an id is tested for presence; one card in 2^63 is moved.
    return (int.from_bytes(digest) & PRICE_ID_MAX) or 1


def _token_rates(price_id: int, levels: list[tuple[int, dict[str, Fraction]]], units: Units) -> TokenRates | None:
    priced = levels[0][1].keys()
    if priced and not priced & (COUNTED_UNITS.keys() | {REQUESTS}):
        return None
    counted = []
    for start, rates in levels:
        signed = units.signed(rates)
        per_count = (
            sum(
                (signed.get(unit, Fraction(0)) for unit, parts in COUNTED_UNITS.items() if count in parts),
                Fraction(0),
            )
            for count in COUNTS
        )
        counted.append((start, (signed.get(REQUESTS, Fraction(0)), *per_count)))
    return token_rates(price_id, counted)


def _price_json(price: UnitPrice) -> dict[str, Any]:
    shown: dict[str, Any] = {"usd": decimal_text(price.usd), "per": price.per}
    if price.tiers:
        shown["tiers"] = [{"input_tokens_over": start, "usd": decimal_text(usd)} for start, usd in price.tiers]
    if price.like:
        shown["like"] = price.like
    return shown


def _product(usd: Decimal, factor: Decimal) -> Decimal:
    # Enough digits for the product of any two that a person wrote down.
    with localcontext(prec=200):
        return usd * factor


def decimal_text(amount: Decimal) -> str:
    """The amount without an exponent and without zeros that say nothing."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _usd(value: object, price_key: str) -> Decimal:
    if isinstance(value, Decimal) and value.is_finite() and value >= 0:
        return value
    raise ConfigError(f"the price data has a price that is no amount of dollars: {price_key}={value!r}")
