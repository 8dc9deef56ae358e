"""When which rate card holds: dates, hours of the day and request contexts of one model, laid out as a grid.

The price data states conditions ("from this date", "between these hours", "in this service tier") in a
list where the last active entry wins, and overrides of single prices where the first active one wins. All
conditions of a model change only at its dates and hours, so a grid of date spans by day parts holds every
case, and a look-up is two bisections.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from fractions import Fraction
from itertools import product
from typing import TypeAlias

import msgspec
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    StartDateConstraint,
    TimeOfDateConstraint,
)

from tollbook.pricing.cards import (
    CardScope,
    Origin,
    RateCard,
    UnitPrice,
    compile_card,
    declared_prices,
    default_prices,
)
from tollbook.pricing.own import Between, Context, Factor, OwnTerms
from tollbook.pricing.units import Units

Constraint: TypeAlias = StartDateConstraint | TimeOfDateConstraint | Between | None
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
        if not self.hours:
            return bisect_right(self.dates, at), 0
        utc = at if at.tzinfo is UTC else at.astimezone(UTC)
        return bisect_right(self.dates, at), bisect_right(self.hours, utc.time())

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
    own: bool = False


class _Sources(msgspec.Struct, frozen=True):
    """The data of one model with its prices declared once, and what is our own of it."""

    provider: str
    standard: tuple[tuple[Constraint, Prices], ...]
    variants: tuple[_Variant, ...]
    own: OwnTerms
    grid: Grid


class _Givers(msgspec.Struct, frozen=True):
    """The places of what made a price: variants that gave at least one, and what multiplied them."""

    variants: tuple[int, ...] = ()
    factors: tuple[Factor, ...] = ()
    discounted: bool = False


class _Resolved(msgspec.Struct, frozen=True):
    """The prices in one cell and context, and what made them."""

    prices: Prices
    givers: _Givers
    known: Context


def compile_model(
    provider: str, model: ModelInfo, units: Units, ceilings: Mapping[str, Fraction], own: OwnTerms | None = None
) -> ModelCards:
    """Lay out the cards of one model.

    A card's context names the variants and uplifts that made its prices, so a variant that is not yet active, or that
    prices nothing, shares the card of the standard price.
    """
    sources = _sources(provider, model, units, own or OwnTerms())
    by_givers: dict[_Givers, dict[tuple[int, int], Prices]] = {}
    resolved: dict[Context, dict[tuple[int, int], _Resolved]] = {}
    for context in _contexts(
        [*(variant.when for variant in sources.variants), *(up.when for up in sources.own.uplifts)]
    ):
        resolved[context] = {}
        for cell in sources.grid.cells():
            found = _resolve(sources, context, cell, units)
            resolved[context][cell] = found
            by_givers.setdefault(found.givers, {})[cell] = found.prices
    cards: dict[tuple[_Givers, tuple[int, int]], RateCard] = {}
    for givers, priced in by_givers.items():
        scope = _scope(sources, model, givers)
        free = model.id.endswith(FREE_SUFFIX)
        for cells, prices, narrowed in _spans(scope, sources.grid, priced):
            if prices or free:
                card = compile_card(narrowed, prices, units, ceilings)
                cards.update(((givers, cell), card) for cell in cells)
    contexts = {
        context: {cell: Cell(cards.get((found.givers, cell)), found.known) for cell, found in cells.items()}
        for context, cells in resolved.items()
    }
    pairs_known = frozenset().union(*resolved)
    distinct = {card.price_id: card for card in cards.values()}
    return ModelCards(sources.grid, pairs_known, contexts, tuple(distinct.values()))


def _scope(sources: _Sources, model: ModelInfo, givers: _Givers) -> CardScope:
    variants = [sources.variants[place] for place in givers.variants]
    whens = [variant.when for variant in variants] + [factor.when for factor in givers.factors]
    # The only model whose provider bills a least duration; genai-prices states it in code, not in data.
    seconds_min = 10 if sources.provider == "groq" and model.id.startswith("whisper-large-v3") else 0
    origin = Origin.DATA
    if givers.discounted:
        origin = Origin.DISCOUNT
    elif givers.factors or any(variant.own for variant in variants):
        origin = Origin.OVERRIDE
    return CardScope(
        provider=sources.provider,
        model=model.id,
        context=tuple(sorted(set().union(*whens))),
        billed_seconds_min=seconds_min,
        origin=origin,
        factors=tuple((factor.name, factor.by) for factor in givers.factors),
    )


def _sources(provider: str, model: ModelInfo, units: Units, own: OwnTerms) -> _Sources:
    entries = model.prices if isinstance(model.prices, list) else [ConditionalPrice(prices=model.prices)]
    standard = tuple((entry.constraint, declared_prices(entry.prices, units)) for entry in entries)
    listed = [
        _Variant(frozenset(variant.when.items()), variant.constraint, declared_prices(variant.prices, units))
        for variant in model.price_variants or ()
    ]
    ours = [_Variant(price.when, price.between, price.prices, own=True) for price in own.prices]
    # Of two that price one unit the first counts: ours of a context, the list's of it, then ours of every context.
    variants = (
        *(variant for variant in ours if variant.when),
        *listed,
        *(variant for variant in ours if not variant.when),
    )
    constraints: list[Constraint] = [constraint for constraint, _ in standard]
    constraints += [variant.constraint for variant in variants]
    constraints += [factor.between for factor in (*own.uplifts, *own.discounts)]
    return _Sources(provider, standard, variants, own, _grid(constraints))


def _grid(constraints: Sequence[Constraint]) -> Grid:
    dates = {_midnight(limit.start_date) for limit in constraints if isinstance(limit, StartDateConstraint)}
    spans = [limit for limit in constraints if isinstance(limit, Between)]
    dates |= {edge for span in spans for edge in (span.start, span.end) if edge is not None}
    hours = {
        hour
        for limit in constraints
        if isinstance(limit, TimeOfDateConstraint)
        for hour in (_utc(limit.start_time), _utc(limit.end_time))
    }
    return Grid(tuple(sorted(dates)), tuple(sorted(hours - {MIDNIGHT})))


def _contexts(whens: Sequence[Context]) -> Iterator[Context]:
    values: dict[str, set[str]] = {}
    for when in whens:
        for key, value in when:
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
        given = [price for price in variant.prices if price.unit not in overrides]
        if given or not variant.prices:
            # One that others have left nothing to say is not what the call is priced by.
            known |= variant.when
        if given:
            givers.append(position)
            overrides.update((price.unit, price) for price in given)
    merged = {price.unit: price for price in prices} | overrides
    units.check_nesting(frozenset(merged))
    listed = default_prices(sources.provider, tuple(merged[unit] for unit in sorted(merged)), units)
    factors, discounted = _factors(sources, context, cell) if listed else ((), False)
    known.update(pair for factor in factors for pair in factor.when)
    made = _Givers(tuple(givers), factors, discounted)
    return _Resolved(tuple(_multiplied(price, factors) for price in listed), made, frozenset(known))


def _factors(sources: _Sources, context: Context, cell: tuple[int, int]) -> tuple[tuple[Factor, ...], bool]:
    """What multiplies the listed prices: every uplift of the context, and the first discount in force."""
    uplifts = [up for up in sources.own.uplifts if up.when <= context and _active(up.between, sources.grid, cell)]
    for discount in sources.own.discounts:
        if _active(discount.between, sources.grid, cell):
            return (*uplifts, discount), True
    return tuple(uplifts), False


def _multiplied(price: UnitPrice, factors: Sequence[Factor]) -> UnitPrice:
    for factor in factors:
        if not factor.units or price.unit in factor.units:
            price = price.times(factor.by)
    return price


def _active(constraint: Constraint, grid: Grid, cell: tuple[int, int]) -> bool:
    span, part = cell
    if constraint is None:
        return True
    if isinstance(constraint, StartDateConstraint):
        return span > grid.dates.index(_midnight(constraint.start_date))
    if isinstance(constraint, Between):
        began = constraint.start is None or span > grid.dates.index(constraint.start)
        return began and (constraint.end is None or span <= grid.dates.index(constraint.end))
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
