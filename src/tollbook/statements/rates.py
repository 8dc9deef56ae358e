"""The rate cards that a statement's lines were priced by, as people read them."""

from collections.abc import Iterable, Mapping

import msgspec

from tollbook.ports.statements import Line, Rates
from tollbook.pricing.cards import PriceRow

CEILING = "ceiling"
"""Stands in for a card where a line has none: the model has no price and was taken at the ceiling."""


class UnitRate(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars per `per` of a unit; `tiers` are (input tokens that a call has to pass, dollars then)."""

    unit: str
    usd: str
    per: int
    tiers: tuple[tuple[int, str], ...] = ()


class RateCard(msgspec.Struct, frozen=True, kw_only=True):
    """A card with the `label` by which lines name it. `factors` already stand in the rates.

    `units` is empty where the ledger keeps the card without its prices.
    """

    label: str
    price_id: int
    provider: str
    model: str
    context: Mapping[str, str] = {}
    effective_from: str | None = None
    effective_to: str | None = None
    factors: tuple[str, ...] = ()
    units: tuple[UnitRate, ...] = ()


def labels_of(lines: Iterable[Line]) -> dict[int, str]:
    """A short name for each card in use, in the order of their first lines."""
    ids = dict.fromkeys(line.price_id for line in lines if line.price_id is not None)
    return {price_id: f"R{number}" for number, price_id in enumerate(ids, 1)}


def card_of(label: str, price_id: int, kept: Rates | None) -> RateCard:
    """One card as the ledger keeps it; None where it does not."""
    if kept is None:
        return RateCard(label=label, price_id=price_id, provider="", model="")
    named = RateCard(label=label, price_id=price_id, provider=kept.provider, model=kept.model)
    try:
        row = msgspec.json.decode(kept.terms, type=PriceRow)
    except msgspec.ValidationError:
        # A ledger of before price books kept cards by name alone.
        return named
    prices = {unit: shown for unit, shown in row.rates.items() if isinstance(shown, dict)}
    return msgspec.structs.replace(
        named,
        context=row.context,
        effective_from=None if row.effective_from is None else row.effective_from.date().isoformat(),
        effective_to=None if row.effective_to is None else row.effective_to.date().isoformat(),
        factors=tuple(f"{factor['name']} \N{MULTIPLICATION SIGN} {factor['factor']}" for factor in row.factors),
        units=tuple(_unit(unit, shown) for unit, shown in prices.items()),
    )


def _unit(unit: str, shown: Mapping[str, object]) -> UnitRate:
    found = msgspec.convert(shown, _Shown)
    tiers = tuple((tier.input_tokens_over, tier.usd) for tier in found.tiers)
    return UnitRate(unit=unit, usd=found.usd, per=found.per, tiers=tiers)


class _Tier(msgspec.Struct, frozen=True):
    input_tokens_over: int
    usd: str


class _Shown(msgspec.Struct, frozen=True):
    usd: str
    per: int
    tiers: tuple[_Tier, ...] = ()
