"""Tools that look at single calls."""

from collections.abc import Mapping
from uuid import UUID

from tollbook.mcp.connection import Caller
from tollbook.mcp.shapes import Shape, Usd


class Entry(Shape):
    """One call as booked; `calls` is 1, or -1 for an entry that takes back another, which `corrects` names."""

    entry_id: str
    ts: str
    day: str
    tenant: str
    agent: str
    model: str
    provider: str | None
    source: str
    run: str | None
    id: str | None
    service_tier: str | None
    input: int
    output: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    reasoning: int
    cost_usd: Usd
    reported_usd: Usd | None
    priced: bool
    price_id: str | None
    flags: list[str]
    corrects: str | None
    calls: int
    units: dict[str, int] | None
    context: dict[str, str] | None


class Entries(Shape):
    """Newest first. `next` is the `cursor` of the page behind, null on the last."""

    rows: list[Entry]
    next: str | None


class Card(Shape):
    """The rate card that an entry was priced by, as it was kept then."""

    price_id: str
    provider: str
    model: str
    context: dict[str, str]
    effective_from: str | None
    effective_to: str | None
    origin: str


class Line(Shape):
    """`count` of a unit at `usd` per `per`: `nanos` nano-dollars exactly. `ceiling`: the unit has no price."""

    unit: str
    count: int
    usd: str
    per: int
    nanos: str
    ceiling: bool


class EntryExplained(Shape):
    """An entry taken apart: `lines` add up to `exact_nanos`, rounded once to `computed_usd`.

    `matches` says that this is what was booked; where not, `note` says why. `card` is null where the ceiling priced it.
    `calls` are all entries of its call, which come to `standing_usd`: what the call costs.
    """

    entry: Entry
    card: Card | None
    lines: list[Line]
    exact_nanos: str | None
    computed_usd: Usd | None
    matches: bool
    note: str | None
    calls: list[Entry]
    standing_usd: Usd


async def listed(caller: Caller, query: Mapping[str, str | int]) -> Entries:
    """A page of entries."""
    return await caller.get("/v1/entries", Entries, query)


async def explain(caller: Caller, entry_id: UUID, ts: str) -> EntryExplained:
    """One entry taken apart."""
    return await caller.get(f"/v1/entries/{entry_id}", EntryExplained, {"ts": ts})
