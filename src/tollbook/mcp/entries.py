"""Tools that look at single calls."""

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from tollbook.domain.money import nanos_from_usd, usd_text
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


class EntryExplained(Shape):
    """A call with all its entries in the order they were made; `standing_usd` is their sum: what the call costs."""

    entries: list[Entry]
    standing_usd: Usd
    rates: dict[str, object] | None = Field(
        description="The rate card of the last entry: prices by unit; null: none is known, the ceiling was taken."
    )
    price_list: str | None


class _Cards(Shape):
    version: str
    rows: list[dict[str, object]]


async def listed(caller: Caller, *, tenant: str, limit: int, cursor: str) -> Entries:
    """A page of entries."""
    return await caller.get("/v1/entries", Entries, {"tenant": tenant, "limit": limit, "cursor": cursor})


async def explain(caller: Caller, entry_id: str, tenant: str) -> EntryExplained:
    """A call's entries and the rates of the last. Raises `ToolError` where there is no such call."""
    found = await caller.get("/v1/entries", Entries, {"tenant": tenant, "call": entry_id})
    if not found.rows:
        raise ToolError(
            "not_found: no call has an entry of this id, as far as this key sees. Take it from `list_entries`."
        )
    last = found.rows[-1]
    query = {"model": last.model, "provider": last.provider, "at": last.ts, "tenant": last.tenant}
    cards = await caller.found("/v1/prices", _Cards, query)
    rates = [row for row in cards.rows if row["price_id"] == last.price_id] if cards else []
    return EntryExplained(
        entries=found.rows,
        standing_usd=usd_text(sum(nanos_from_usd(row.cost_usd) for row in found.rows)),
        rates=rates[0] if rates else None,
        price_list=cards.version if cards and rates else None,
    )
