"""What a model costs, by the price book in force."""

import msgspec

from tollbook.domain.access import Principal
from tollbook.pricing.cards import PriceRow
from tollbook.pricing.listing import Listing, listed
from tollbook.views.asking import moment_of, name_of, own_tenant
from tollbook.views.desk import Desk
from tollbook.views.figures import time_text
from tollbook.views.problems import not_found


class UnitPrice(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars per `per` units. `tiers` hold, for the whole call, behind so many input tokens; `like` names the unit
    whose price this one has for want of its own."""

    usd: str
    per: int
    tiers: list[dict[str, int | str]] = []
    like: str | None = None


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """One rate card. `in_force` says whether it prices a call of the moment asked for, in its context."""

    price_id: str
    context: dict[str, str]
    effective_from: str | None
    effective_to: str | None
    daily_utc: list[list[str]]
    in_force: bool
    origin: str
    factors: list[dict[str, str]]
    usd: dict[str, UnitPrice]


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """A model's rate cards. `borrowed`: the provider asked for sells it by the list of `provider`.

    `ceiling` is what a unit without a price is taken to cost, per as many as others are priced by.
    """

    version: str
    digest: str
    provider: str
    model: str
    borrowed: bool
    at: str
    rows: list[Price]
    ceiling: dict[str, str]


def prices(
    desk: Desk, principal: Principal, *, provider: str | None, model: str, at: str | None, tenant: str | None
) -> Prices:
    """The rate cards of a model: all contexts, dates and hours, and which of them hold at a moment."""
    whose = own_tenant(principal, None if tenant is None else name_of(tenant, "tenant"))
    moment = desk.clock.now() if at is None else moment_of(at, "at")
    book = desk.prices.book
    found = listed(book, provider, model, moment, tenant=whose)
    if found is None:
        raise not_found("no model of this name has a price: its calls cost the ceiling's, flagged")
    ceiling = book.ceiling
    tokens = {"input_tokens": ceiling.input_usd_per_mtok, "output_tokens": ceiling.output_usd_per_mtok}
    return Prices(
        version=book.version,
        digest=book.digest,
        provider=found.provider,
        model=found.model,
        borrowed=found.borrowed,
        at=time_text(moment),
        rows=[_shown(row, found) for row in found.rows],
        ceiling={unit: str(usd) for unit, usd in {**tokens, **ceiling.units}.items()},
    )


def _shown(row: PriceRow, found: Listing) -> Price:
    prices = {unit: price for unit, price in row.rates.items() if isinstance(price, dict)}
    return Price(
        price_id=str(row.price_id),
        context=row.context,
        effective_from=None if row.effective_from is None else time_text(row.effective_from),
        effective_to=None if row.effective_to is None else time_text(row.effective_to),
        daily_utc=row.rates.get("daily_utc", []),
        in_force=row.price_id in found.in_force,
        origin=row.origin,
        factors=row.factors,
        usd=msgspec.convert(prices, dict[str, UnitPrice]),
    )
