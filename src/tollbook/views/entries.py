"""Entries: what the ledger keeps of each call, found, paged and followed."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from tollbook.domain.access import Principal
from tollbook.domain.event import Observer
from tollbook.domain.money import usd_text
from tollbook.domain.observation import REPORTED_DIFFERS, is_estimated, observer_of
from tollbook.ports.finding import Cursor, EntryFilter, Seen
from tollbook.ports.reading import EntryRow
from tollbook.pricing.quote import QuoteFlag
from tollbook.views.asking import moment_of, name_of, own_tenant, usd_of
from tollbook.views.desk import Desk
from tollbook.views.figures import time_text
from tollbook.views.problems import query_invalid

FLAGS: dict[str, int] = {flag.name.lower(): flag.value for flag in QuoteFlag if flag.name} | {
    "reported_differs": REPORTED_DIFFERS
}
CORRECTED = "corrected"
FOLLOW_S = 0.25
"""How often a follower looks for new transactions."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CURSOR_BYTES = 24
_LAST_ID = UUID(int=(1 << 128) - 1)
_START = Seen(0, "")
_Packed = tuple[dict[int, int], dict[int, bytes]]
_LOOKS_MAX = 1_000
_BEHIND_MAX = 4
"""Looks through old transactions in which nothing fits, before a follower is sent on with its new place."""


class EntriesAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What entries are asked for, as it was written; None: anything."""

    tenant: str | None = None
    agent: str | None = None
    model: str | None = None
    provider: str | None = None
    run: str | None = None
    source: str | None = None
    since: str | None = None
    until: str | None = None
    flag: str | None = None
    min_cost_usd: str | None = None


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
    hold: str | None


class Entries(msgspec.Struct, frozen=True):
    """A page; `next` is the `cursor` of the page behind it, null on the last.

    A page of a rare kind may be short or empty before the last: go on while there is a `next`.
    """

    rows: list[Entry]
    next: str | None


class Followed(msgspec.Struct, frozen=True):
    """Entries in the order in which they were booked; `next` is the `after` of the next question, never null."""

    rows: list[Entry]
    next: str


async def found(desk: Desk, principal: Principal, asked: EntriesAsked, cursor: str | None, limit: int) -> Entries:
    """A page of entries by the time of their calls; one booked late appears where its time puts it."""
    whose, wanted = _whose(principal, asked), _wanted(asked)
    page = await desk.finding.entries(whose, None if cursor is None else cursor_of(cursor), limit, wanted)
    return Entries(
        rows=[entry_shown(row) for row in page.rows], next=None if page.more is None else cursor_text(page.more)
    )


async def of_call(desk: Desk, principal: Principal, tenant: str | None, call: UUID) -> Entries:
    """One call with its corrections, the original first."""
    whose = own_tenant(principal, None if tenant is None else name_of(tenant, "tenant"))
    return Entries([entry_shown(row) for row in await desk.reading.call(whose, str(call), desk.clock.now())], None)


async def followed(
    desk: Desk, principal: Principal, asked: EntriesAsked, after: str | None, *, limit: int, wait_s: int
) -> Followed:
    """Entries booked behind a place, in the order of commits; without a place none, and where the present is.

    Waits up to `wait_s` seconds for the first of them.
    """
    whose, wanted = _whose(principal, asked), _wanted(asked)
    heads = await desk.finding.heads()
    if after is None:
        return Followed([], place_text({partition: Seen(head, str(_LAST_ID)) for partition, head in heads.items()}))
    seen = place_of(after)
    deadline = desk.clock.monotonic() + wait_s
    for look in range(_LOOKS_MAX):
        got = await desk.finding.after(whose, seen, heads, limit, wanted)
        behind = any(got.seen.get(partition, _START) < Seen(head, str(_LAST_ID)) for partition, head in heads.items())
        seen = got.seen
        if got.rows or (behind and look >= _BEHIND_MAX) or (not behind and desk.clock.monotonic() >= deadline):
            break
        if not behind:
            await desk.clock.pause(FOLLOW_S)
            heads = await desk.finding.heads()
    return Followed([entry_shown(row) for row in got.rows], place_text(seen))


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


def place_text(seen: dict[int, Seen]) -> str:
    """How far a follower has come, as text: versions by partition, and the entry where one is half read."""
    versions = {partition: one.version for partition, one in seen.items()}
    halves = {partition: UUID(one.entry_id).bytes for partition, one in seen.items() if UUID(one.entry_id) != _LAST_ID}
    return urlsafe_b64encode(msgspec.msgpack.encode((versions, halves))).decode()


def place_of(text: str) -> dict[int, Seen]:
    """The place a text stands for; raises a 400 where it stands for none."""
    try:
        versions, halves = msgspec.msgpack.decode(urlsafe_b64decode(text), type=_Packed)
        places = {
            partition: Seen(version, str(UUID(bytes=halves.get(partition, _LAST_ID.bytes))))
            for partition, version in versions.items()
        }
    except (ValueError, msgspec.MsgspecError) as error:
        raise query_invalid("after: take it from `next` of the answer before, unchanged") from error
    if any(not 0 <= one.version < 1 << 63 for one in places.values()):
        raise query_invalid("after: take it from `next` of the answer before, unchanged")
    return places


def flags_of(row: EntryRow) -> list[str]:
    """The names of an entry's flags."""
    return [name for name, flag in FLAGS.items() if row.flags & flag]


def entry_shown(row: EntryRow) -> Entry:
    """An entry as it is shown."""
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
        flags=flags_of(row),
        corrects=row.corrects,
        calls=row.calls,
        units=row.units,
        context=row.context,
        observed=observer_of(row.standing),
        estimated=is_estimated(row.standing),
        hold=row.hold,
    )


def _whose(principal: Principal, asked: EntriesAsked) -> str | None:
    return own_tenant(principal, None if asked.tenant is None else name_of(asked.tenant, "tenant"))


def _wanted(asked: EntriesAsked) -> EntryFilter:
    flag = asked.flag
    if flag is not None and flag != CORRECTED and flag not in FLAGS:
        raise query_invalid(f"flag: there are {', '.join((*FLAGS, CORRECTED))}")
    return EntryFilter(
        agent=_name(asked.agent, "agent"),
        model=_name(asked.model, "model"),
        provider=_name(asked.provider, "provider"),
        run=_name(asked.run, "run"),
        source=_name(asked.source, "source"),
        since=None if asked.since is None else moment_of(asked.since, "from"),
        until=None if asked.until is None else moment_of(asked.until, "to"),
        cost_nanos_min=None if asked.min_cost_usd is None else usd_of(asked.min_cost_usd, "min_cost_usd"),
        flags=0 if flag is None else FLAGS.get(flag, 0),
        corrects=flag == CORRECTED,
    )


def _name(text: str | None, what: str) -> str | None:
    return None if text is None else name_of(text, what)
