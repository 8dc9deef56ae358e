"""Rate cards: the exact prices of one model in one context over one span of time."""

from collections.abc import Mapping
from datetime import datetime, time
from decimal import Decimal
from fractions import Fraction
from hashlib import blake2b
from typing import Any

import msgspec
from genai_prices.types import ModelPrice, TieredPrices

from tollbook.domain.errors import ConfigError
from tollbook.domain.money import NANOS_PER_USD
from tollbook.pricing.quote import TokenRates, nanos_rounded, token_rates
from tollbook.pricing.units import COUNTED_UNITS, COUNTS, REQUESTS, Units

PRICE_ID_MAX = (1 << 63) - 1
"""Price ids fit the positive half of an 8-byte column."""

_AUDIO_UNITS = ("audio_seconds", "input_audio_seconds")


class UnitPrice(msgspec.Struct, frozen=True, kw_only=True):
    """The declared price of one unit: dollars per `per` units, by thresholds of `input_tokens`."""

    unit: str
    per: int
    usd: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()
    """(input tokens that must be passed, dollars then), lowest threshold first. The whole call moves."""

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


class RateCard(msgspec.Struct, frozen=True, kw_only=True):
    """A scope, its declared prices, and the rates compiled from them.

    `tokens` is None where the card prices neither tokens nor requests: six counts then say nothing of the
    cost.
    """

    price_id: int
    scope: CardScope
    prices: tuple[UnitPrice, ...]
    tokens: TokenRates | None

    def nanos_of_units(self, counts: Mapping[str, int], units: Units) -> int:
        """Price any units at leaf rates, rounded once: for the six counts alone, what `tokens` gives."""
        counts = self._billed(counts)
        input_tokens = counts.get("input_tokens", 0)
        leaves = units.leaves(frozenset(price.unit for price in self.prices), counts)
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
        )

    def _billed(self, counts: Mapping[str, int]) -> dict[str, int]:
        billed = {**counts, REQUESTS: 1}
        if self.scope.billed_seconds_min:
            seconds = counts.get(_AUDIO_UNITS[0]) or counts.get(_AUDIO_UNITS[1]) or 0
            if seconds:
                seconds = max(seconds, self.scope.billed_seconds_min)
            billed.update(dict.fromkeys(_AUDIO_UNITS, seconds))
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


def compile_card(scope: CardScope, prices: tuple[UnitPrice, ...], units: Units) -> RateCard:
    """Give the prices their id and their integer rates."""
    price_id = _price_id(scope, prices)
    return RateCard(price_id=price_id, scope=scope, prices=prices, tokens=_token_rates(price_id, prices, units))


def card_content(scope: CardScope, prices: tuple[UnitPrice, ...]) -> bytes:
    """The canonical text of a card: equal content, equal bytes, whatever way the numbers were written."""
    content = [
        scope.provider,
        scope.model,
        sorted(scope.context),
        scope.effective_from,
        scope.effective_to,
        scope.daily_utc,
        scope.billed_seconds_min,
        {price.unit: _price_json(price) for price in prices},
    ]
    return msgspec.json.encode(content, order="deterministic")


def _price_id(scope: CardScope, prices: tuple[UnitPrice, ...]) -> int:
    digest = blake2b(card_content(scope, prices), digest_size=8).digest()
    # 0 would read as false wherever an id is tested for presence; one card in 2^63 is moved.
    return (int.from_bytes(digest) & PRICE_ID_MAX) or 1


def _token_rates(price_id: int, prices: tuple[UnitPrice, ...], units: Units) -> TokenRates | None:
    priced = {price.unit for price in prices}
    if priced and not priced & (COUNTED_UNITS.keys() | {REQUESTS}):
        return None
    starts = sorted({start for price in prices for start, _ in price.tiers})
    levels = []
    for level, start in enumerate([0, *starts]):
        above = start + 1 if level else 0
        signed = units.signed({price.unit: price.nanos_above(above) for price in prices})
        per_count = (
            sum(
                (signed.get(unit, Fraction(0)) for unit, parts in COUNTED_UNITS.items() if count in parts),
                Fraction(0),
            )
            for count in COUNTS
        )
        levels.append((start, (signed.get(REQUESTS, Fraction(0)), *per_count)))
    return token_rates(price_id, levels)


def _price_json(price: UnitPrice) -> dict[str, Any]:
    shown: dict[str, Any] = {"usd": _decimal_text(price.usd), "per": price.per}
    if price.tiers:
        shown["tiers"] = [{"input_tokens_over": start, "usd": _decimal_text(usd)} for start, usd in price.tiers]
    return shown


def _decimal_text(amount: Decimal) -> str:
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _usd(value: object, price_key: str) -> Decimal:
    if isinstance(value, Decimal) and value.is_finite() and value >= 0:
        return value
    raise ConfigError(f"the price data has a price that is no amount of dollars: {price_key}={value!r}")
