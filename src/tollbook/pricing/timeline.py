"""When which rate card holds: dates, hours of the day and request contexts of one model, laid out as a grid.

The price data states conditions ("from this date", "between these hours", "in this service tier") in a
list where the last active entry wins, and overrides of single prices where the first active one wins. All
conditions of a model change only at its dates and hours, so a grid of date spans by day parts holds every
case, and a look-up is two bisections.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from itertools import product
from typing import TypeAlias

import msgspec
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    StartDateConstraint,
    TimeOfDateConstraint,
)

from tollbook.pricing.cards import CardScope, RateCard, UnitPrice, compile_card, declared_prices
from tollbook.pricing.units import Units

Constraint: TypeAlias = StartDateConstraint | TimeOfDateConstraint | None
Context: TypeAlias = frozenset[tuple[str, str]]
Prices: TypeAlias = tuple[UnitPrice, ...]

MIDNIGHT = time(0)
FREE_SUFFIX = ":free"
"""OpenRouter's mark of a variant that costs nothing; the price data carries such models without any price."""


class Grid(msgspec.Struct, frozen=True):
    """Date spans by day parts, in UTC. Span 0 is all time before `dates[0]`, part 0 begins at midnight."""

    dates: tuple[datetime, ...]
    hours: tuple[time, ...]

    def place(self, at: datetime) -> tuple[int, int]:
        """The span and the part that an aware moment lies in."""
        part = bisect_right(self.hours, at.astimezone(UTC).time()) if self.hours else 0
        return bisect_right(self.dates, at), part

    def cells(self) -> Iterator[tuple[int, int]]:
        """Every (span, part), spans first."""
        return product(range(len(self.dates) + 1), range(len(self.hours) + 1))

    def window(self, part: int) -> tuple[time, time]:
        """(from, until) of a part; until 00:00 is midnight."""
        edges = (MIDNIGHT, *self.hours, MIDNIGHT)
        return edges[part], edges[part + 1]


class Cell(msgspec.Struct, frozen=True):
    """What holds in one cell for one context: the card, and which pairs of the context have a price."""

    card: RateCard | None
    known: Context


class ModelCards(msgspec.Struct, frozen=True):
    """All cards of one model, for every combination of the context values that its variants name."""

    grid: Grid
    pairs: Context
    contexts: dict[Context, dict[tuple[int, int], Cell]]
    cards: tuple[RateCard, ...]


class _Variant(msgspec.Struct, frozen=True):
    when: Context
    constraint: Constraint
    prices: Prices


class _Sources(msgspec.Struct, frozen=True):
    """The data of one model with its prices declared once."""

    standard: tuple[tuple[Constraint, Prices], ...]
    variants: tuple[_Variant, ...]
    grid: Grid


class _Resolved(msgspec.Struct, frozen=True):
    """The prices in one cell and context, and the variants that gave at least one of them."""

    prices: Prices
    givers: tuple[int, ...]
    known: Context


def compile_model(provider: str, model: ModelInfo, units: Units) -> ModelCards:
    """Lay out the cards of one model.

    A card's context names the variants that gave it a price, so a variant that is not yet active, or that
    prices nothing, shares the card of the standard price.
    """
    sources = _sources(model, units)
    by_givers: dict[tuple[int, ...], dict[tuple[int, int], Prices]] = {}
    resolved: dict[Context, dict[tuple[int, int], _Resolved]] = {}
    for context in _contexts(sources.variants):
        resolved[context] = {}
        for cell in sources.grid.cells():
            found = _resolve(sources, context, cell, units)
            resolved[context][cell] = found
            by_givers.setdefault(found.givers, {})[cell] = found.prices
    cards: dict[tuple[tuple[int, ...], tuple[int, int]], RateCard] = {}
    for givers, priced in by_givers.items():
        pairs = sorted(set().union(*(sources.variants[giver].when for giver in givers)))
        # The only model whose provider bills a least duration; genai-prices states it in code, not in data.
        seconds_min = 10 if provider == "groq" and model.id.startswith("whisper-large-v3") else 0
        scope = CardScope(provider=provider, model=model.id, context=tuple(pairs), billed_seconds_min=seconds_min)
        free = model.id.endswith(FREE_SUFFIX)
        for cells, prices, narrowed in _spans(scope, sources.grid, priced):
            if prices or free:
                card = compile_card(narrowed, prices, units)
                cards.update(((givers, cell), card) for cell in cells)
    contexts = {
        context: {cell: Cell(cards.get((found.givers, cell)), found.known) for cell, found in cells.items()}
        for context, cells in resolved.items()
    }
    pairs_known = frozenset().union(*(variant.when for variant in sources.variants))
    distinct = {card.price_id: card for card in cards.values()}
    return ModelCards(sources.grid, pairs_known, contexts, tuple(distinct.values()))


def _sources(model: ModelInfo, units: Units) -> _Sources:
    entries = model.prices if isinstance(model.prices, list) else [ConditionalPrice(prices=model.prices)]
    standard = tuple((entry.constraint, declared_prices(entry.prices, units)) for entry in entries)
    variants = tuple(
        _Variant(frozenset(variant.when.items()), variant.constraint, declared_prices(variant.prices, units))
        for variant in model.price_variants or ()
    )
    constraints = [constraint for constraint, _ in standard] + [variant.constraint for variant in variants]
    return _Sources(standard, variants, _grid(constraints))


def _grid(constraints: Sequence[Constraint]) -> Grid:
    dates = {_midnight(limit.start_date) for limit in constraints if isinstance(limit, StartDateConstraint)}
    hours = {
        hour
        for limit in constraints
        if isinstance(limit, TimeOfDateConstraint)
        for hour in (_utc(limit.start_time), _utc(limit.end_time))
    }
    return Grid(tuple(sorted(dates)), tuple(sorted(hours - {MIDNIGHT})))


def _contexts(variants: Sequence[_Variant]) -> Iterator[Context]:
    values: dict[str, set[str]] = {}
    for variant in variants:
        for key, value in variant.when:
            values.setdefault(key, set()).add(value)
    choices = [[None, *((key, value) for value in sorted(values[key]))] for key in sorted(values)]
    for choice in product(*choices):
        yield frozenset(pair for pair in choice if pair is not None)


def _resolve(sources: _Sources, context: Context, cell: tuple[int, int], units: Units) -> _Resolved:
    prices: Prices = sources.standard[0][1] if sources.standard else ()
    for constraint, entry in reversed(sources.standard):
        if _active(constraint, sources.grid, cell):
            prices = entry
            break
    overrides: dict[str, UnitPrice] = {}
    givers = []
    known: set[tuple[str, str]] = set()
    for position, variant in enumerate(sources.variants):
        if not variant.when <= context or not _active(variant.constraint, sources.grid, cell):
            continue
        known |= variant.when
        given = [price for price in variant.prices if price.unit not in overrides]
        if given:
            givers.append(position)
            overrides.update((price.unit, price) for price in given)
    merged = {price.unit: price for price in prices} | overrides
    units.check_nesting(frozenset(merged))
    return _Resolved(tuple(merged[unit] for unit in sorted(merged)), tuple(givers), frozenset(known))


def _active(constraint: Constraint, grid: Grid, cell: tuple[int, int]) -> bool:
    span, part = cell
    if constraint is None:
        return True
    if isinstance(constraint, StartDateConstraint):
        return span > grid.dates.index(_midnight(constraint.start_date))
    start, until = _utc(constraint.start_time), _utc(constraint.end_time)
    hour = grid.window(part)[0]
    return hour >= start or hour < until if until < start else start <= hour < until


def _spans(
    scope: CardScope, grid: Grid, priced: dict[tuple[int, int], Prices]
) -> Iterator[tuple[list[tuple[int, int]], Prices, CardScope]]:
    """Group cells of equal prices: day parts within a date span, then neighbouring date spans."""
    open_cards: dict[tuple[Prices, tuple[int, ...]], list[int]] = {}
    for span in range(len(grid.dates) + 2):
        parts: dict[Prices, list[int]] = {}
        for part in range(len(grid.hours) + 1):
            if (span, part) in priced:
                parts.setdefault(priced[span, part], []).append(part)
        here = {(prices, tuple(found)) for prices, found in parts.items()}
        for ended in [key for key in open_cards if key not in here]:
            yield _closed(scope, grid, ended, open_cards.pop(ended))
        for key in sorted(here, key=lambda found: found[1]):
            open_cards.setdefault(key, []).append(span)


def _closed(
    scope: CardScope, grid: Grid, held: tuple[Prices, tuple[int, ...]], spans: list[int]
) -> tuple[list[tuple[int, int]], Prices, CardScope]:
    prices, parts = held
    first, last = spans[0], spans[-1]
    all_day = len(parts) == len(grid.hours) + 1
    narrowed = msgspec.structs.replace(
        scope,
        effective_from=grid.dates[first - 1] if first else None,
        effective_to=grid.dates[last] if last < len(grid.dates) else None,
        daily_utc=() if all_day else tuple(grid.window(part) for part in parts),
    )
    return [(span, part) for span in spans for part in parts], prices, narrowed


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _utc(hour: time) -> time:
    """A time of day as UTC without an offset; one without an offset is UTC already."""
    if hour.tzinfo is None:
        return hour
    return datetime.combine(date(1970, 1, 2), hour).astimezone(UTC).time()
