"""`/v1/entries`: what the ledger keeps of each call, newest first."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import QueryParameter

from tollbook.api.answers import time_text
from tollbook.api.asking import SECURITY, Who, World, name_of, query_invalid, reader
from tollbook.api.auth import own_tenant
from tollbook.api.failures import problems
from tollbook.domain.event import Observer
from tollbook.domain.money import usd_text
from tollbook.domain.observation import REPORTED_DIFFERS, is_estimated, observer_of
from tollbook.ports.reading import Cursor, EntryRow
from tollbook.pricing.quote import QuoteFlag

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CURSOR_BYTES = 24


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One call as booked. `reported_usd` is what the sender said it cost; `price_id` names the rate card.

    A correction names its call in `corrects`; `calls` is 1, or -1 for an entry that takes back another.
    """

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
    call_id: str | None
    service_tier: str | None
    tags: dict[str, str] | None
    input: int
    output: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    reasoning: int
    cost_usd: str
    reported_usd: str | None
    priced: bool
    price_id: str | None
    flags: list[str]
    corrects: str | None
    calls: int
    units: dict[str, int] | None
    context: dict[str, str] | None
    observed: Observer | None
    estimated: bool


class Entries(msgspec.Struct, frozen=True):
    """A page; `next` is the `cursor` of the page behind it, null on the last."""

    rows: list[Entry]
    next: str | None


@get(
    "/v1/entries",
    guards=[reader],
    security=SECURITY,
    tags=["reading"],
    summary="Entries, newest first",
    responses=problems(400, 401, 403, 503),
)
async def entries(
    services: World,
    principal: Who,
    tenant: Annotated[str | None, QueryParameter(name="tenant", description="One tenant; all when left out.")] = None,
    limit: Annotated[int, QueryParameter(name="limit", ge=1, le=1000, description="Rows of a page.")] = 100,
    cursor: Annotated[
        str | None, QueryParameter(name="cursor", max_length=64, description="`next` of the page before.")
    ] = None,
    *,
    call: Annotated[
        UUID | None,
        QueryParameter(
            name="call", description="One call with its corrections: an `entry_id`, or what `corrects` names."
        ),
    ] = None,
) -> Entries:
    """A page of entries by the time of their calls; one booked late appears where its time puts it."""
    whose = own_tenant(principal, None if tenant is None else name_of(tenant, "tenant"))
    if call is not None:
        return Entries(
            rows=[_shown(row) for row in await services.reading.call(whose, str(call), services.clock.now())], next=None
        )
    found = await services.reading.entries(whose, None if cursor is None else cursor_of(cursor), limit + 1)
    page = found[:limit]
    return Entries(
        rows=[_shown(row) for row in page],
        next=cursor_text((page[-1].ts, page[-1].entry_id)) if len(found) > limit else None,
    )


def cursor_text(cursor: Cursor) -> str:
    """A place in the order of entries as text: 8 bytes of microseconds since 1970, 16 of the id, in base64url."""
    micros = (cursor[0] - _EPOCH) // _MICROSECOND
    return urlsafe_b64encode(micros.to_bytes(8, "big", signed=True) + UUID(cursor[1]).bytes).decode()


def cursor_of(text: str) -> Cursor:
    """The place a text stands for; raises a 400 where it stands for none."""
    try:
        packed = urlsafe_b64decode(text)
        if len(packed) != _CURSOR_BYTES:
            raise ValueError("another length")
        ts = _EPOCH + int.from_bytes(packed[:8], "big", signed=True) * _MICROSECOND
    except (ValueError, OverflowError) as error:
        raise query_invalid("cursor: take it from `next` of the page before, unchanged") from error
    return ts, str(UUID(bytes=packed[8:]))


def _shown(row: EntryRow) -> Entry:
    return Entry(
        entry_id=row.entry_id,
        ts=time_text(row.ts),
        day=row.day.isoformat(),
        tenant=row.tenant,
        agent=row.agent,
        model=row.model,
        provider=row.provider,
        source=row.source,
        run=row.run,
        id=row.event_id,
        call_id=row.call_id,
        service_tier=row.service_tier,
        tags=row.tags,
        input=row.input,
        output=row.output,
        cache_read=row.cache_read,
        cache_write_5m=row.cache_write_5m,
        cache_write_1h=row.cache_write_1h,
        reasoning=row.reasoning,
        cost_usd=usd_text(row.cost_nanos),
        reported_usd=None if row.reported_nanos is None else usd_text(row.reported_nanos),
        priced=row.price_id is not None,
        # 64 bits do not survive every JSON reader as a number.
        price_id=None if row.price_id is None else str(row.price_id),
        flags=[flag.name.lower() for flag in QuoteFlag if row.flags & flag and flag.name]
        + (["reported_differs"] if row.flags & REPORTED_DIFFERS else []),
        corrects=row.corrects,
        calls=row.calls,
        units=row.units,
        context=row.context,
        observed=observer_of(row.standing),
        estimated=is_estimated(row.standing),
    )
