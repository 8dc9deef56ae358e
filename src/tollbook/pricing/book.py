"""The price book: the price data compiled once, and asked for every event."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b

import msgspec
from genai_prices.types import Provider

from tollbook.domain.errors import InvariantViolated, invariant
from tollbook.pricing.cards import PriceRow, RateCard, card_content
from tollbook.pricing.match import STANDARD_TIERS, TIER_KEYS, Match, Matcher, tier_of
from tollbook.pricing.quote import Ceiling, Quote, QuoteFlag, TokenCounts, TokenRates, ceiling_rates
from tollbook.pricing.timeline import Cell, Context, Grid, ModelCards, compile_model
from tollbook.pricing.units import Units

ANSWERS_MAX = 8192
"""Remembered look-ups per generation; two generations of long names are 15 MB at the worst."""


class _Answer(msgspec.Struct, frozen=True):
    """Everything that (provider, model, service tier) decides; only the moment is left to ask."""

    constant: TokenRates | None
    grid: Grid
    rates: dict[tuple[int, int], TokenRates]


class PriceBook:
    """Exact prices of every known model at every time.

    `digest` names the compiled content: under one digest one call has one cost, the ceiling apart.
    `version` names the data for people.
    """

    def __init__(self, providers: Sequence[Provider], *, unpriced: Ceiling, version: str) -> None:
        self.version = version
        self._units = Units()
        self._matcher = Matcher(providers)
        self._models: dict[str, list[ModelCards]] = {
            provider.id: [compile_model(provider.id, model, self._units) for model in provider.models]
            for provider in providers
        }
        self._cards = _distinct_cards(self._models)
        self.digest = _digest(providers, self._cards)
        self._unpriced = ceiling_rates(unpriced)
        self._unknown = _Answer(self._unpriced, Grid((), ()), {})
        self._young: dict[tuple[str | None, str, str | None], _Answer] = {}
        self._old: dict[tuple[str | None, str, str | None], _Answer] = {}

    def quote(
        self,
        counts: TokenCounts,
        *,
        provider: str | None,
        model: str,
        at: datetime,
        service_tier: str | None = None,
    ) -> Quote:
        """Price one call. `at` is aware; `service_tier` is what the provider said it was, None if it did not.

        Always answers: a call without a price costs the ceiling's and carries `QuoteFlag.UNPRICED`.
        """
        rates = self.rates(provider, model, service_tier, at)
        return Quote(rates.cost_nanos(counts), rates.price_id, rates.flags)

    def rates(self, provider: str | None, model: str, service_tier: str | None, at: datetime) -> TokenRates:
        """The integer rates that hold at a moment, for callers that price many calls of one kind."""
        if at.tzinfo is None:
            raise InvariantViolated("a price is asked for a moment without a time zone")
        answer = self._young.get((provider, model, service_tier))
        if answer is None:
            answer = self._remember(provider, model, service_tier)
        if answer.constant is not None:
            return answer.constant
        return answer.rates[answer.grid.place(at)]

    def quote_units(
        self,
        units: Mapping[str, int],
        *,
        provider: str | None,
        model: str,
        at: datetime,
        context: Mapping[str, str] | None = None,
    ) -> Quote | None:
        """Price any units of the price data, in any price context; None where nothing is priced.

        `units` are inclusive counts: a part's whole is given too. One not given is 0, `requests` is always 1.
        """
        invariant(units.keys() <= self._units.names, f"units without a meaning: {units.keys() - self._units.names}")
        found = self._matcher.find(provider, model)
        if found is None:
            return None
        asked = frozenset((context or {}).items())
        cards, usable = self._usable(found, asked)
        cell = cards.contexts[usable][cards.grid.place(at)]
        if cell.card is None:
            return None
        unknown = {value for key, value in asked - cell.known if value not in STANDARD_TIERS}
        flags = int(QuoteFlag.CONTEXT_UNKNOWN) if unknown else 0
        return Quote(cell.card.nanos_of_units(units, self._units), cell.card.price_id, flags)

    def rows(self) -> Iterable[PriceRow]:
        """Every rate card that a quote may name, in the order of the price data."""
        return (card.row() for card in self._cards)

    def __len__(self) -> int:
        """How many rate cards there are."""
        return len(self._cards)

    @property
    def remembered(self) -> int:
        """How many look-ups are held in memory; at most twice `ANSWERS_MAX`."""
        return len(self._young) + len(self._old)

    def _usable(self, found: Match, asked: Context) -> tuple[ModelCards, Context]:
        """The model's cards, and what of the context they may price. A borrowed model is sold as listed."""
        cards = self._models[found.provider][found.position]
        return cards, frozenset() if found.borrowed else asked & cards.pairs

    def _remember(self, provider: str | None, model: str, service_tier: str | None) -> _Answer:
        """Answer from the older generation or from the data. Two generations keep what is in use, in O(1)."""
        key = (provider, model, service_tier)
        answer = self._old.get(key)
        if answer is None:
            answer = self._answer(provider, model, service_tier)
            if sum(len(part) for part in key if part is not None) > 3 * 256:
                return answer
        if len(self._young) >= ANSWERS_MAX:
            self._old = self._young
            self._young = {}
        self._young[key] = answer
        return answer

    def _answer(self, provider: str | None, model: str, service_tier: str | None) -> _Answer:
        found = self._matcher.find(provider, model)
        if found is None:
            return self._unknown
        tier = tier_of(service_tier)
        named = frozenset((key, tier or "default") for key in TIER_KEYS)
        cards, usable = self._usable(found, named)
        rates = {
            place: self._rates_of(cell, asked=None if tier is None else named)
            for place, cell in cards.contexts[usable].items()
        }
        distinct = set(rates.values())
        return _Answer(distinct.pop() if len(distinct) == 1 else None, cards.grid, rates)

    def _rates_of(self, cell: Cell, *, asked: Context | None) -> TokenRates:
        if cell.card is None or cell.card.tokens is None:
            return self._unpriced
        if asked is None or asked & cell.known:
            return cell.card.tokens
        return msgspec.structs.replace(cell.card.tokens, flags=int(QuoteFlag.CONTEXT_UNKNOWN))


def compile_book(
    providers: Sequence[Provider], *, unpriced: Ceiling | None = None, version: str = "custom"
) -> PriceBook:
    """Compile price data. Raises `ConfigError` where it is inconsistent or of an unknown kind."""
    return PriceBook(providers, unpriced=unpriced or Ceiling(), version=version)


def _distinct_cards(models: Mapping[str, Sequence[ModelCards]]) -> tuple[RateCard, ...]:
    distinct: dict[int, RateCard] = {}
    for listed in models.values():
        for model in listed:
            for card in model.cards:
                same = distinct.setdefault(card.price_id, card)
                invariant((same.scope, same.prices) == (card.scope, card.prices), "two rate cards share an id")
    return tuple(distinct.values())


def _digest(providers: Sequence[Provider], cards: Iterable[RateCard]) -> str:
    """Hash what prices depend on: the cards, and which names lead to them."""
    digest = blake2b(digest_size=16)
    for card in cards:
        digest.update(card_content(card.scope, card.prices))
    for provider in providers:
        names = [repr(model.match) for model in provider.models]
        lenders = provider.fallback_model_providers or []
        digest.update(msgspec.json.encode([provider.id, repr(provider.model_match), lenders, names]))
    return digest.hexdigest()
