"""What a model costs, for people to read: its rate cards, and which of them hold at a moment."""

from datetime import datetime

import msgspec

from tollbook.pricing.book import PriceBook
from tollbook.pricing.cards import PriceRow


class Listing(msgspec.Struct, frozen=True):
    """The cards of the model that a name means, the newest dates first; `in_force` are ids of those that hold.

    `borrowed`: the provider asked for sells the model by the list of `provider`.
    """

    provider: str
    model: str
    borrowed: bool
    rows: list[PriceRow]
    in_force: frozenset[int]


def listed(
    book: PriceBook, provider: str | None, model: str, at: datetime, *, tenant: str | None = None
) -> Listing | None:
    """What a name means; None where it means no model. Contexts come one by one, not combined."""
    found = book.find(provider, model, None, at, tenant=tenant)
    if found is None:
        return None
    cards = book.cards_of(found.provider, found.model, tenant)
    if cards is None:
        return None
    place = cards.grid.place(at)
    holding = frozenset(
        cell.card.price_id for cells in cards.contexts.values() if (cell := cells[place]).card is not None
    )
    rows = [card.row() for card in cards.cards if not found.borrowed or not card.scope.context]
    rows.sort(key=lambda row: (len(row.context), sorted(row.context.items()), -_since(row), row.price_id))
    return Listing(found.provider, found.model, found.borrowed, rows, holding)


def _since(row: PriceRow) -> float:
    return 0.0 if row.effective_from is None else row.effective_from.timestamp()
