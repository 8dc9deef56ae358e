"""One entry: how its price was computed line by line, from the card that it names, and what became of its call."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from tollbook.domain.access import Principal
from tollbook.domain.errors import ConfigError, UnitsRefused
from tollbook.domain.money import usd_text
from tollbook.domain.usage import Usage
from tollbook.ports.config import PriceCard
from tollbook.ports.reading import EntryRow
from tollbook.pricing.cards import PriceRow
from tollbook.pricing.explain import Explanation, Line, explain, rates_of
from tollbook.views.asking import moment_of
from tollbook.views.desk import Desk
from tollbook.views.entries import Entry, entry_shown
from tollbook.views.figures import time_text
from tollbook.views.problems import not_found


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """The rate card that an entry was priced by, as it was kept then."""

    price_id: str
    provider: str
    model: str
    context: dict[str, str]
    effective_from: str | None
    effective_to: str | None
    origin: str
    factors: list[dict[str, str]]


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """An entry taken apart.

    `lines` add up to `exact_nanos`, rounded once to `computed_usd`. `matches` says that this is what was booked;
    where it is not, `note` says why. `card` is null where the ceiling priced it. `calls` are the entries of its call,
    the original first; `standing` are the ids of those that stand, which come to `standing_usd`.
    """

    entry: Entry
    card: Card | None
    lines: list[Line]
    exact_nanos: str | None
    computed_usd: str | None
    matches: bool
    note: str | None
    calls: list[Entry]
    standing: list[str]
    standing_usd: str


async def explained(desk: Desk, principal: Principal, entry_id: UUID, ts: str | None) -> Explained:
    """One entry by its id and, where it is a correction or older than ids are remembered, its `ts`."""
    moment = None if ts is None else moment_of(ts, "ts")
    row = await _found(desk, principal.tenant, str(entry_id), moment)
    call = row.corrects or row.entry_id
    calls = await desk.reading.call(principal.tenant, call, desk.clock.now())
    if not calls:
        calls = [row]
    standing = _standing(calls)
    kept = None if row.price_id is None else await desk.price_store.card(row.price_id)
    card = None if kept is None else _row_of(kept)
    told, note = _told(desk, row, card)
    return Explained(
        entry=entry_shown(row),
        card=None if card is None else _card(card),
        lines=[] if told is None else told.lines,
        exact_nanos=None if told is None else told.exact_nanos,
        computed_usd=None if told is None else usd_text(row.calls * told.cost_nanos),
        matches=told is not None and row.calls * told.cost_nanos == row.cost_nanos,
        note=note,
        calls=[entry_shown(one) for one in calls],
        standing=[one.entry_id for one in standing],
        standing_usd=usd_text(sum(one.cost_nanos for one in calls)),
    )


async def _found(desk: Desk, tenant: str | None, entry_id: str, ts: datetime | None) -> EntryRow:
    if ts is not None:
        row = await desk.finding.entry(tenant, entry_id, ts)
    else:
        rows = await desk.reading.call(tenant, entry_id, desk.clock.now())
        row = next((one for one in rows if one.entry_id == entry_id), None)
    if row is None:
        raise not_found("there is no such entry; one that is old or a correction is found with its `ts`")
    return row


def _standing(calls: list[EntryRow]) -> list[EntryRow]:
    """Entries that no reversal has taken back: reversals come in the order of what they take back."""
    made = [one for one in calls if one.calls > 0]
    return made[sum(1 for one in calls if one.calls < 0) :]


def _told(desk: Desk, row: EntryRow, card: PriceRow | None) -> tuple[Explanation | None, str | None]:
    if row.price_id is not None and card is None:
        return None, "the rate card that this entry names is not kept"
    # A reversal has every sign turned: it is explained as what it takes back.
    sign = row.calls
    counts = Usage(
        input=sign * row.input,
        output=sign * row.output,
        cache_read=sign * row.cache_read,
        cache_write_5m=sign * row.cache_write_5m,
        cache_write_1h=sign * row.cache_write_1h,
        reasoning=sign * row.reasoning,
    )
    units: Mapping[str, int] = {unit: sign * count for unit, count in (row.units or {}).items()}
    try:
        told = explain(rates_of(card, desk.prices.book.ceiling), counts, units)
    except (ConfigError, UnitsRefused) as error:
        return None, f"this version cannot take the card apart: {error}"
    if sign * told.cost_nanos == row.cost_nanos:
        return told, None
    if any(line.ceiling for line in told.lines):
        return told, "the ceiling for what has no price was another when this was booked"
    return told, "these lines do not come to what was booked"


def _row_of(kept: PriceCard) -> PriceRow | None:
    try:
        return msgspec.json.decode(kept.terms, type=PriceRow)
    except msgspec.DecodeError:
        return None


def _card(row: PriceRow) -> Card:
    return Card(
        price_id=str(row.price_id),
        provider=row.provider,
        model=row.model,
        context=row.context,
        effective_from=None if row.effective_from is None else time_text(row.effective_from),
        effective_to=None if row.effective_to is None else time_text(row.effective_to),
        origin=row.origin,
        factors=row.factors,
    )
