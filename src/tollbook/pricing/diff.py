"""What moves between two price books: which prices, by how much, and whether by more than is taken without asking."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import TypeAlias

import msgspec

from tollbook.pricing.book import PriceBook
from tollbook.pricing.cards import UnitPrice, decimal_text
from tollbook.pricing.own import Context
from tollbook.pricing.timeline import ModelCards

_DAY = timedelta(days=1)
_Prices: TypeAlias = Mapping[str, UnitPrice]


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A price that is another one from `at` on, in dollars per `per`; None: there is none.

    `input_tokens_over` is the length of the prompt behind which it holds, 0 for any.
    """

    provider: str
    model: str
    tenant: str | None
    context: dict[str, str]
    unit: str
    per: int
    input_tokens_over: int
    at: datetime
    before_usd: str | None
    after_usd: str | None

    def exceeds(self, factor: Decimal) -> bool:
        """Whether a known price moves by more than a factor, up or down. From or to nothing, any amount is more.

        A price that is new, or gone, is no move: what is gone costs the ceiling's, flagged.
        """
        if self.before_usd is None or self.after_usd is None:
            return False
        before, after = Fraction(self.before_usd), Fraction(self.after_usd)
        low, high = min(before, after), max(before, after)
        return high > low * Fraction(factor)


def moves(before: PriceBook, after: PriceBook, at: datetime) -> list[Move]:
    """Every price that is in force at a moment, or will be later, and differs; each from when it first does."""
    found: list[Move] = []
    models = dict.fromkeys([*after.models(), *before.models()])
    tenants = [None, *sorted({*before.tenants(), *after.tenants()})]
    for provider, model in models:
        usual = (before.cards_of(provider, model), after.cards_of(provider, model))
        for tenant in tenants:
            cards = usual
            if tenant is not None:
                cards = (before.cards_of(provider, model, tenant), after.cards_of(provider, model, tenant))
                if cards[0] is usual[0] and cards[1] is usual[1]:
                    continue
            found += _of_model(provider, model, tenant, cards, at)
    return found


def _of_model(
    provider: str, model: str, tenant: str | None, cards: tuple[ModelCards | None, ModelCards | None], at: datetime
) -> Iterator[Move]:
    old, new = cards
    seen: set[tuple[Context, str, int]] = set()
    contexts = dict.fromkeys(context for side in cards if side is not None for context in side.contexts)
    for context, moment in product(contexts, _moments(cards, at)):
        before, after = _prices(old, context, moment), _prices(new, context, moment)
        for unit, over, per in _places(before, after):
            was, will = _usd(before, unit, over), _usd(after, unit, over)
            if was == will or (context, unit, over) in seen:
                continue
            seen.add((context, unit, over))
            yield Move(
                provider=provider,
                model=model,
                tenant=tenant,
                context=dict(sorted(context)),
                unit=unit,
                per=per,
                input_tokens_over=over,
                at=moment,
                before_usd=None if was is None else decimal_text(was),
                after_usd=None if will is None else decimal_text(will),
            )


def _moments(cards: tuple[ModelCards | None, ModelCards | None], at: datetime) -> list[datetime]:
    """One moment in each span and part of the day of either side, from `at` on."""
    grids = [side.grid for side in cards if side is not None]
    days = sorted({at, *(edge for grid in grids for edge in grid.dates if edge > at)})
    hours = {hour for grid in grids for hour in grid.hours}
    # The next time each hour comes; the day after a change of price is still its own span in all data known.
    return [moment for day in days for moment in (day, *(_next(day, hour) for hour in sorted(hours)))]


def _next(day: datetime, hour: time) -> datetime:
    moment = datetime.combine(day.astimezone(UTC).date(), hour, tzinfo=UTC)
    return moment if moment >= day else moment + _DAY


def _prices(cards: ModelCards | None, context: Context, at: datetime) -> _Prices:
    """The prices by unit; a context that the side does not know costs what it does without."""
    if cards is None:
        return {}
    card = cards.contexts[context & cards.pairs][cards.grid.place(at)].card
    return {} if card is None else {price.unit: price for price in card.prices}


def _places(before: _Prices, after: _Prices) -> Iterator[tuple[str, int, int]]:
    """Every unit of either side with each of its thresholds, and what it is priced per."""
    for unit in sorted({*before, *after}):
        priced = [side[unit] for side in (before, after) if unit in side]
        for over in sorted({0, *(start for price in priced for start, _ in price.tiers)}):
            yield unit, over, priced[0].per


def _usd(prices: _Prices, unit: str, over: int) -> Decimal | None:
    price = prices.get(unit)
    return None if price is None else price.usd_above(over + 1 if over else 0)
