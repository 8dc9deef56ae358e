"""The price book: the price data compiled once, with what is our own, and asked for every event."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from hashlib import blake2b
from typing import NamedTuple, TypeAlias

import msgspec
from genai_prices.types import Provider

from tollbook.domain.errors import InvariantViolated, invariant
from tollbook.domain.money import NANOS_PER_USD
from tollbook.pricing.cards import PriceRow, RateCard, card_content
from tollbook.pricing.match import TIER_KEYS, Match, Matcher, is_standard, tier_of
from tollbook.pricing.own import Context, Overrides, OwnBook, OwnTerms, ceiling_of, with_models
from tollbook.pricing.quote import Ceiling, Quote, QuoteFlag, TokenCounts, TokenRates, ceiling_rates
from tollbook.pricing.terms import UnitTerms
from tollbook.pricing.timeline import Cell, Grid, ModelCards, compile_model
from tollbook.pricing.units import Units

ANSWERS_MAX = 8192
"""Remembered look-ups per generation; two generations of the longest names are 20 MB."""

_Key: TypeAlias = tuple[str | None, str, str | None] | tuple[str | None, str, str | None, int, str]
_EVERYONE = 0


class _Answer(msgspec.Struct, frozen=True):
    """Everything that (provider, model, service tier) decides; only the moment is left to ask."""

    constant: TokenRates | None
    grid: Grid
    rates: dict[tuple[int, int], TokenRates]


class _Asked(NamedTuple):
    """What a call says of its price's context: pairs to look up, and what has to be known of them, each by any pair."""

    pairs: Context
    groups: tuple[Context, ...]


class Found(NamedTuple):
    """What a name means at a moment: the provider and the model that price it, and the card, None without a price."""

    provider: str
    model: str
    borrowed: bool
    card: RateCard | None


class PriceBook:
    """Exact prices of every known model at every time.

    `digest` names the compiled content: under one digest one call has one cost, the ceiling apart.
    `version` names the data for people.
    """

    def __init__(
        self, providers: Sequence[Provider], *, unpriced: Ceiling, version: str, own: Overrides | None = None
    ) -> None:
        overrides = Overrides() if own is None else own
        self.version = version
        self._units = Units()
        self.ceiling = ceiling_of(overrides, unpriced, self._units)
        listed = with_models(providers, overrides)
        self._matcher = Matcher(listed)
        self._own = OwnBook(overrides, self._units)
        self._own.check_all_used({provider.id: [model.id for model in provider.models] for provider in listed})
        self._ceilings = {
            unit: Fraction(usd) * NANOS_PER_USD / self._units.named(unit).per
            for unit, usd in self.ceiling.units.items()
        }
        # Tenants with discounts of their own, from 1 on; all others are _EVERYONE.
        self._tenants = {tenant: place for place, tenant in enumerate(self._own.tenants(), start=1)}
        self._models: dict[str, list[ModelCards]] = {}
        self._special: dict[tuple[int, str, int], ModelCards] = {}
        self._ids: dict[str, list[str]] = {}
        for provider in listed:
            self._compile(provider)
        self._cards = _distinct_cards([*self._models.values(), list(self._special.values())])
        self.digest = _digest(listed, self._cards, overrides)
        terms = UnitTerms(self._units, self._ceilings)
        self._unpriced = msgspec.structs.replace(ceiling_rates(self.ceiling), terms=terms)
        self._unknown = _Answer(self._unpriced, Grid((), ()), {})
        self._young: dict[_Key, _Answer] = {}
        self._old: dict[_Key, _Answer] = {}

    def _compile(self, provider: Provider) -> None:
        """Lay out a provider's models as they are for everyone, and for each tenant for whom they are different."""
        compiled = self._models.setdefault(provider.id, [])
        self._ids[provider.id] = [model.id for model in provider.models]
        for position, model in enumerate(provider.models):
            terms = self._own.terms(provider.id, model.id)
            compiled.append(compile_model(provider.id, model, self._units, self._ceilings, terms))
            known = {terms.discounts: compiled[-1]}
            for tenant, place in self._tenants.items():
                own: OwnTerms = self._own.terms(provider.id, model.id, tenant)
                cards = known.get(own.discounts)
                if cards is None:
                    cards = compile_model(provider.id, model, self._units, self._ceilings, own)
                    known[own.discounts] = cards
                if cards is not compiled[-1]:
                    self._special[place, provider.id, position] = cards

    def quote(
        self,
        counts: TokenCounts,
        *,
        provider: str | None,
        model: str,
        at: datetime,
        service_tier: str | None = None,
        units: Mapping[str, int] | None = None,
        tenant: str | None = None,
        context: Mapping[str, str] | None = None,
    ) -> Quote:
        """Price one call. `at` is aware; `service_tier` is what the provider said it was, None if it did not.

        Always answers: a call without a price costs the ceiling's and carries `QuoteFlag.UNPRICED`. Raises
        `UnitsRefused` where `units` are none of the data or contradict each other.
        """
        return self.rates(provider, model, service_tier, at, tenant=tenant, context=context).quote(counts, units)

    def rates(
        self,
        provider: str | None,
        model: str,
        service_tier: str | None,
        at: datetime,
        *,
        tenant: str | None = None,
        context: Mapping[str, str] | None = None,
    ) -> TokenRates:
        """The integer rates that hold at a moment, for callers that price many calls of one kind.

        `context` says more of the call than its service tier: `speed`, `inference_geo`, `route`, `search_type`.
        """
        if at.tzinfo is None:
            raise InvariantViolated("a price is asked for a moment without a time zone")
        key: _Key
        if context or tenant in self._tenants:
            key = (provider, model, service_tier, self._place(tenant), _context_text(context))
        else:
            key = (provider, model, service_tier)
        answer = self._young.get(key)
        if answer is None:
            answer = self._remember(key, context)
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
        cell, asked = self._cell(found, _EVERYONE, _asked(None, context), at)
        if cell.card is None:
            return None
        unknown = any(not group & cell.known for group in asked.groups)
        flags = int(QuoteFlag.CONTEXT_UNKNOWN) if unknown else 0
        return Quote(cell.card.nanos_of_units(units, self._units), cell.card.price_id, flags)

    def find(
        self,
        provider: str | None,
        model: str,
        service_tier: str | None,
        at: datetime,
        *,
        tenant: str | None = None,
        context: Mapping[str, str] | None = None,
    ) -> Found | None:
        """What a name means, for people to see; None where it means no model."""
        found = self._matcher.find(provider, model)
        if found is None:
            return None
        cell, _ = self._cell(found, self._place(tenant), _asked(service_tier, context), at)
        return Found(found.provider, self._ids[found.provider][found.position], found.borrowed, cell.card)

    def seller_of(self, provider: str | None, model: str) -> tuple[str, str] | None:
        """Who sells what a reported pair of names means, and the model's own id; None where nothing tells who.

        One who sells by another's list is the seller all the same; a model that no list has keeps its name.
        """
        found = self._matcher.find(provider, model)
        asked = None if provider is None else self._matcher.provider_id(provider)
        if found is None:
            return None if asked is None else (asked, model.lower())
        return asked or found.provider, self._ids[found.provider][found.position]

    def models(self) -> Iterable[tuple[str, str]]:
        """Every (provider, model) of the book."""
        return ((provider, model) for provider, models in self._ids.items() for model in models)

    def tenants(self) -> Iterable[str]:
        """Every tenant that has discounts of its own."""
        return self._tenants

    def cards_of(self, provider: str, model: str, tenant: str | None = None) -> ModelCards | None:
        """All cards of a model of the book, by its own id; None where it is not there."""
        if model not in self._ids.get(provider, ()):
            return None
        position = self._ids[provider].index(model)
        return self._cards_of(Match(provider, position, borrowed=False), self._place(tenant))

    def standing(self, at: datetime) -> Iterable[RateCard]:
        """Every card that prices calls at a moment or will at a later one, discounts of tenants included."""
        for cards in (*(model for models in self._models.values() for model in models), *self._special.values()):
            for card in cards.cards:
                until = card.scope.effective_to
                if until is None or until > at:
                    yield card

    @property
    def units(self) -> Units:
        """The registry of units that the book prices by."""
        return self._units

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

    def _place(self, tenant: str | None) -> int:
        return _EVERYONE if tenant is None else self._tenants.get(tenant, _EVERYONE)

    def _cards_of(self, found: Match, place: int) -> ModelCards:
        special = self._special.get((place, found.provider, found.position)) if place else None
        return special or self._models[found.provider][found.position]

    def _cell(self, found: Match, place: int, asked: _Asked, at: datetime) -> tuple[Cell, _Asked]:
        cards = self._cards_of(found, place)
        return cards.contexts[_usable(found, cards, asked)][cards.grid.place(at)], asked

    def _remember(self, key: _Key, context: Mapping[str, str] | None) -> _Answer:
        """Answer from the older generation or from the data. Two generations keep what is in use, in O(1)."""
        answer = self._old.get(key)
        if answer is None:
            provider, model, service_tier = key[:3]
            answer = self._answer(
                self._matcher.find(provider, model), key[3] if len(key) > 3 else 0, service_tier, context
            )
            if sum(len(part) for part in key if isinstance(part, str)) > 3 * 256:
                return answer
        if len(self._young) >= ANSWERS_MAX:
            self._old = self._young
            self._young = {}
        self._young[key] = answer
        return answer

    def _answer(
        self, found: Match | None, place: int, service_tier: str | None, context: Mapping[str, str] | None
    ) -> _Answer:
        if found is None:
            return self._unknown
        asked = _asked(service_tier, context)
        cards = self._cards_of(found, place)
        rates = {
            place: self._rates_of(cell, asked.groups)
            for place, cell in cards.contexts[_usable(found, cards, asked)].items()
        }
        distinct = set(rates.values())
        return _Answer(distinct.pop() if len(distinct) == 1 else None, cards.grid, rates)

    def _rates_of(self, cell: Cell, groups: Sequence[Context]) -> TokenRates:
        if cell.card is None:
            return self._unpriced
        unknown = any(not group & cell.known for group in groups)
        if cell.card.tokens is None:
            # The ceiling's, until units say what the card does price.
            flags = self._unpriced.flags | (QuoteFlag.CONTEXT_UNKNOWN if unknown else 0)
            return msgspec.structs.replace(self._unpriced, flags=int(flags), terms=cell.card.terms)
        if not unknown:
            return cell.card.tokens
        return msgspec.structs.replace(cell.card.tokens, flags=int(QuoteFlag.CONTEXT_UNKNOWN))


def compile_book(
    providers: Sequence[Provider],
    *,
    unpriced: Ceiling | None = None,
    version: str = "custom",
    own: Overrides | None = None,
) -> PriceBook:
    """Compile price data and what is our own. Raises `ConfigError` where they are inconsistent or of unknown kinds."""
    return PriceBook(providers, unpriced=unpriced or Ceiling(), version=version, own=own)


def _usable(found: Match, cards: ModelCards, asked: _Asked) -> Context:
    """What of the context may price the model. A borrowed one is sold as listed."""
    return frozenset() if found.borrowed else asked.pairs & cards.pairs


def _asked(service_tier: str | None, context: Mapping[str, str] | None) -> _Asked:
    """A service tier may be any of three keys of the data; a pair of `context` is that key alone, and goes first."""
    said = {key.strip().lower(): value.strip().lower() for key, value in (context or {}).items()}
    named = frozenset(said.items())
    groups = [frozenset([pair]) for pair in sorted(named) if not is_standard(*pair)]
    tier = tier_of(service_tier)
    tiers = frozenset((key, tier or "default") for key in TIER_KEYS if key not in said)
    if tier is not None:
        groups.append(tiers)
    return _Asked(named | tiers, tuple(groups))


def _context_text(context: Mapping[str, str] | None) -> str:
    return "" if not context else msgspec.json.encode(context, order="deterministic").decode()


def _distinct_cards(listed: Iterable[Sequence[ModelCards]]) -> tuple[RateCard, ...]:
    distinct: dict[int, RateCard] = {}
    for models in listed:
        for model in models:
            for card in model.cards:
                same = distinct.setdefault(card.price_id, card)
                invariant((same.scope, same.prices) == (card.scope, card.prices), "two rate cards share an id")
    return tuple(distinct.values())


def _digest(providers: Sequence[Provider], cards: Iterable[RateCard], own: Overrides) -> str:
    """Hash what prices depend on: the cards, which names lead to them, and which tenants."""
    digest = blake2b(digest_size=16)
    for card in cards:
        digest.update(card_content(card.scope, card.prices))
    for provider in providers:
        names = [repr(model.match) for model in provider.models]
        lenders = provider.fallback_model_providers or []
        digest.update(msgspec.json.encode([provider.id, repr(provider.model_match), lenders, names]))
    if own.discount:
        digest.update(msgspec.json.encode(own.discount, order="deterministic"))
    return digest.hexdigest()
