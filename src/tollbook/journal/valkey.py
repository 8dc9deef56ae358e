"""The journal port over Valkey 8+ or Redis 7.0+, also under an ACL without @admin, @connection or @transaction."""

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as ValkeyConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as ValkeyTimeoutError

from tollbook.domain.errors import JournalUnavailable
from tollbook.domain.record import Journalled, MeterTotal, Record, Touch
from tollbook.journal.days import Days, Names
from tollbook.journal.keys import Keys
from tollbook.journal.scripts import Script
from tollbook.ports.holds import HoldState
from tollbook.ports.journal import (
    Audit,
    AuditedDay,
    AuditedMeter,
    DayView,
    Depth,
    Limit,
    PostCode,
    Posted,
    SettleCode,
    Settled,
    Settlement,
    Used,
)

_HEAD = "-"
_SCANNED_KEYS = 1_000
_LOST = "the handler is closed"
_pack = msgspec.msgpack.encode


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Raise driver errors as `JournalUnavailable`: whatever Valkey's reason, the inbox is the way on."""
    try:
        yield
    except (ValkeyConnectionError, ValkeyTimeoutError, OSError) as error:
        raise JournalUnavailable(f"Valkey does not answer: {error}") from error
    except ResponseError as error:
        raise JournalUnavailable(f"Valkey refuses: {error}") from error
    except RedisError as error:
        raise JournalUnavailable(f"Valkey failed: {error}") from error
    except RuntimeError as error:
        # How uvloop says that a connection was lost between the driver's check of it and its use.
        if _LOST not in str(error):
            raise
        raise JournalUnavailable(f"Valkey's connection was lost: {error}") from error


class ValkeyJournal:
    """Implements `ports.journal.Journal`. The caller owns the client and closes it."""

    def __init__(self, store: "Redis", keys: Keys) -> None:
        self._store = store
        self._keys = keys
        self._names = Names(keys)
        self._post = Script("post")
        self._post_held = Script("post_held")
        self._settle = Script("settle")
        self._rebuild_begin = Script("rebuild_begin")
        self._rebuild_load = Script("rebuild_load")
        self._rebuild_clear = Script("rebuild_clear")
        self._rebuild_open = Script("rebuild_open")
        self._limits = Script("limits")
        self._evaluate = Script("evaluate")
        self._sweep = Script("sweep")
        self._sweep_meters = Script("sweep_meters")
        self._view = Script("view")
        self._audit = Script("audit")
        self._clock = Script("clock")

    def _of(self, partition: int, *names: str) -> list[str]:
        return [self._keys.of(partition, name) for name in names]

    def _days_of(self, partition: int, days: Iterable[tuple[str, date]]) -> list[str]:
        return [self._keys.day(partition, day.isoformat()) for _, day in days]

    async def post(self, record: Record) -> Posted:
        """Journal a record and count it as pending, in one step."""
        days = Days(self._names, record.partition)
        touches = _pack([days.touch(touch) for touch in record.touches])
        more = _more_of(record, days) if record.meters or record.holds else ()
        keys = [
            *self._of(record.partition, "epoch", "journal", "open", "limits"),
            *days.day_keys,
            *days.tenant_keys,
            *days.derived_keys(),
        ]
        script = self._post
        if more:
            keys += [*self._of(record.partition, "meters"), *days.hold_keys()]
            script = self._post_held
        async with translated():
            code, stream_id, *found = await script(
                self._store,
                keys,
                len(days.dates),
                len(days.index),
                record.nonce,
                record.events,
                record.rows,
                touches,
                *more,
            )
        names = list(days.index)
        flags = len(found) - (len(record.holds) if code != PostCode.REFUSED_OVERFLOW else 0)
        throttled = tuple(names[index - 1] for index in found[:flags])
        uses = tuple(Used(HoldState(state), int(nanos)) for state, nanos in found[flags:])
        return Posted(PostCode(code), stream_id.decode(), throttled, uses)

    async def read(self, partition: int, after: str, records_max: int) -> list[Journalled]:
        """Records behind the place `after` ('' for the head), oldest first."""
        journal = self._keys.of(partition, "journal")
        async with translated():
            found: Any = await self._store.xrange(journal, min=f"({after}" if after else _HEAD, count=records_max)
        return [_journalled(place, fields) for place, fields in found]

    async def wait(self, partition: int, after: str, timeout_ms: int) -> bool:
        """Return True once a record stands behind `after`, False after the time-out."""
        journal = self._keys.of(partition, "journal")
        async with translated():
            return bool(await self._store.xread({journal: after or "0-0"}, count=1, block=timeout_ms))

    async def settle(self, partition: int, settlement: Settlement) -> Settled:
        """Set totals under the fence and remove drained records."""
        days = Days(self._names, partition)
        totals = [days.total(touch) for touch in settlement.totals]
        known = {touch.key for touch in settlement.totals}
        for tenant, day in dict.fromkeys(key for record in settlement.records for key in record.touches):
            if (tenant, day) not in known:
                totals.append(days.drained(tenant, day))
        meters = [days.meter(total) for total in settlement.meters]
        holds = days.meters(settlement.holds)
        for record in settlement.records:
            for tenant, _ in record.meters:
                days.of(tenant)
        keys = [
            *self._of(partition, "epoch", "journal", "state", "open", "limits", "clock", "meters"),
            *days.day_keys,
            *days.tenant_keys,
            *days.derived_keys(),
            *(days.hold_keys() if settlement.holds else ()),
        ]
        read_at = "" if settlement.read_at_ms is None else str(settlement.read_at_ms)
        async with translated():
            code, fence, removed = await self._settle(
                self._store,
                keys,
                settlement.from_version,
                settlement.to_version,
                settlement.ledger_epoch,
                read_at,
                days.packed_names(),
                _pack(totals),
                _pack(meters),
                holds,
                *(part for record in settlement.records for part in (record.place, record.nonce)),
            )
        return Settled(SettleCode(code), fence, removed)

    async def complete(self, partition: int) -> bool:
        """Whether the counters of the partition are complete: the epoch key is there."""
        async with translated():
            return bool(await self._store.exists(self._keys.of(partition, "epoch")))

    async def now_ms(self, partition: int) -> int:
        """The store's clock, from the id of an appended entry: TIME is not granted everywhere."""
        async with translated():
            return int(await self._clock(self._store, self._of(partition, "clock")))

    async def rebuild_begin(self, partition: int, token: str) -> bool:
        """Start a rebuild; False where there is nothing to rebuild."""
        async with translated():
            return bool(await self._rebuild_begin(self._store, self._of(partition, "epoch", "state"), token) == 0)

    async def rebuild_load(
        self, partition: int, token: str, totals: Sequence[Touch], meters: Sequence[MeterTotal] = ()
    ) -> bool:
        """Restore some totals; False: start over."""
        days = Days(self._names, partition)
        packed = _pack([days.total(touch) for touch in totals])
        packed_meters = _pack([days.meter(total) for total in meters])
        keys = [*self._of(partition, "epoch", "state", "open", "clock", "meters"), *days.day_keys, *days.tenant_keys]
        async with translated():
            code = await self._rebuild_load(self._store, keys, token, days.packed_names(), packed, packed_meters)
        return bool(code == 0)

    async def rebuild_clear(
        self, partition: int, token: str, days: Sequence[tuple[str, date]], meters: Sequence[tuple[str, str]] = ()
    ) -> bool:
        """Take away the settled totals of days and meters that were not loaded; False: start over."""
        named = Days(self._names, partition)
        packed = _pack([tenant for tenant, _ in days])
        packed_meters = named.meters(meters)
        keys = [*self._of(partition, "epoch", "state"), *named.tenant_keys, *self._days_of(partition, days)]
        async with translated():
            code = await self._rebuild_clear(self._store, keys, token, packed, packed_meters, len(named.index))
        return bool(code == 0)

    async def rebuild_open(
        self, partition: int, token: str, *, ledger_epoch: str, version: int, quarantine_ms: int
    ) -> bool:
        """Declare the counters complete up to `version`; False: start over."""
        keys = self._of(partition, "epoch", "state", "clock")
        async with translated():
            code = await self._rebuild_open(self._store, keys, token, ledger_epoch, version, quarantine_ms)
        return bool(code == 0)

    async def forget(self, partition: int) -> None:
        """Declare the counters of the partition incomplete, so that the drain rebuilds them."""
        async with translated():
            await self._store.delete(self._keys.of(partition, "epoch"))

    async def limit(self, partition: int, limits: Sequence[Limit]) -> int:
        """Put limits beside the meters; returns how many were newer than what stood there."""
        days = Days(self._names, partition)
        packed = [
            (
                0 if limit.tenant is None else days.of(limit.tenant),
                "" if limit.limit_nanos is None else str(limit.limit_nanos),
                limit.version,
            )
            for limit in limits
        ]
        keys = [self._keys.of(partition, "limits"), *days.tenant_keys]
        async with translated():
            return int(await self._limits(self._store, keys, _pack(packed)))

    async def forget_limits(self, partition: int) -> None:
        """Take every limit of the partition away, whatever its version, before the restored ledger's are put back."""
        pattern = escape_glob(self._keys.tenant(partition, "")) + "*"
        async with translated():
            await self._store.delete(self._keys.of(partition, "limits"))
            async for key in self._store.scan_iter(match=pattern, count=_SCANNED_KEYS):
                await self._store.hdel(key, "limit", "limit_version", "b", "bv", "bf", "wl")

    async def open_days(self, partition: int, after: int, count: int) -> tuple[int, list[tuple[str, date]]]:
        """A page of the days kept, and the cursor of the next (0: no more)."""
        async with translated():
            page: Any = await self._store.zscan(self._keys.of(partition, "open"), cursor=after, count=count)
        cursor, found = page
        return int(cursor), [_day_of(member) for member, _ in found]

    async def closed_days(self, partition: int, kept_ms: int, count: int) -> list[tuple[str, date]]:
        """Days whose window closed more than `kept_ms` ago."""
        latest = await self.now_ms(partition) - kept_ms
        async with translated():
            found: Any = await self._store.zrangebyscore(
                self._keys.of(partition, "open"), "-inf", latest, start=0, num=count
            )
        return [_day_of(member) for member in found]

    async def open_meters(self, partition: int, after: int, count: int) -> tuple[int, list[tuple[str, str]]]:
        """A page of the meters kept other than days, and the cursor of the next (0: no more)."""
        async with translated():
            page: Any = await self._store.zscan(self._keys.of(partition, "meters"), cursor=after, count=count)
        cursor, found = page
        return int(cursor), [_meter_of(member) for member, _ in found]

    async def closed_meters(self, partition: int, kept_ms: int, count: int) -> list[tuple[str, str]]:
        """Meters other than days whose window closed more than `kept_ms` ago."""
        latest = await self.now_ms(partition) - kept_ms
        async with translated():
            found: Any = await self._store.zrangebyscore(
                self._keys.of(partition, "meters"), "-inf", latest, start=0, num=count
            )
        return [_meter_of(member) for member in found]

    async def evaluate(self, partition: int, days: Sequence[tuple[str, date]], tenants: Sequence[str] = ()) -> int:
        """Write anew what the outside sees of some days, and the flags of some tenants; how many flags stand."""
        named = Days(self._names, partition)
        packed = _pack([(named.add(tenant, day), tenant) for tenant, day in days])
        alone = _pack([named.of(tenant) for tenant in tenants])
        keys = [
            *self._of(partition, "epoch", "limits", "clock"),
            *named.tenant_keys,
            *named.derived_keys(),
            *self._days_of(partition, days),
        ]
        async with translated():
            return int(await self._evaluate(self._store, keys, len(named.index), packed, alone))

    async def sweep(self, partition: int, kept_ms: int, days: Sequence[tuple[str, date]]) -> int:
        """Delete meters long closed in which nothing is pending or held."""
        named = Days(self._names, partition)
        packed = _pack([(named.add(tenant, day), day.isoformat()) for tenant, day in days])
        keys = [*self._of(partition, "epoch", "open", "clock"), *named.tenant_keys, *self._days_of(partition, days)]
        async with translated():
            return int(await self._sweep(self._store, keys, kept_ms, _pack(list(named.index)), packed))

    async def sweep_meters(self, partition: int, kept_ms: int, meters: Sequence[tuple[str, str]]) -> int:
        """Delete meters other than days that are long closed and in which nothing is pending or held."""
        named = Days(self._names, partition)
        packed = named.meters(meters)
        keys = [*self._of(partition, "meters", "clock"), *named.tenant_keys]
        async with translated():
            return int(await self._sweep_meters(self._store, keys, kept_ms, _pack(list(named.index)), packed))

    async def view(self, partition: int, tenant: str, day: date) -> DayView:
        """One tenant's day."""
        keys = [
            *self._of(partition, "epoch", "limits"),
            self._keys.tenant(partition, tenant),
            self._keys.throttled(tenant),
            self._keys.day(partition, day.isoformat()),
        ]
        async with translated():
            complete, settled, pending, held, limit, throttled = await self._view(
                self._store, keys, day.isoformat(), tenant
            )
        limit_nanos = int(limit) if limit else None
        return DayView(complete == 1, int(settled), int(pending), int(held), limit_nanos, throttled == 1)

    async def audit(
        self,
        partition: int,
        days: Sequence[tuple[str, date]],
        records_max: int,
        meters: Sequence[tuple[str, str]] = (),
    ) -> Audit:
        """Counters of some days and other meters beside what the journal holds for them."""
        named = Days(self._names, partition)
        packed = named.meters([*((tenant, f"day:{day.isoformat()}") for tenant, day in days), *meters])
        keys = [*self._of(partition, "epoch", "journal", "state"), *named.tenant_keys, *self._days_of(partition, days)]
        async with translated():
            complete, fence, records, bounded, *figures = await self._audit(
                self._store, keys, _pack(list(named.index)), packed, records_max
            )
        if bounded == 0:
            return Audit(complete == 1, fence, records, None)
        found = [_figures_of(figures[start : start + 4]) for start in range(0, len(figures), 4)]
        audited = tuple(AuditedDay(*day, *counted) for day, counted in zip(days, found, strict=False))
        others = zip(meters, found[len(days) :], strict=True)
        return Audit(
            complete == 1, fence, records, audited, tuple(AuditedMeter(*meter, *counted) for meter, counted in others)
        )

    async def depth(self, partition: int) -> Depth:
        """How much waits, and how old the oldest is by the store's clock."""
        journal = self._keys.of(partition, "journal")
        async with translated():
            records = await self._store.xlen(journal)
            head: Any = await self._store.xrange(journal, count=1) if records else []
        if not head:
            return Depth(0, 0)
        return Depth(records, await self.now_ms(partition) - int(head[0][0].partition(b"-")[0]))


def escape_glob(text: str) -> str:
    """The text as a pattern of SCAN that matches it alone."""
    return re.sub(r"([\\*?\[\]^-])", r"\\\1", text)


def _day_of(member: bytes) -> tuple[str, date]:
    tenant, _, day = member.decode().partition("\0")
    return tenant, date.fromisoformat(day)


def _meter_of(member: bytes) -> tuple[str, str]:
    tenant, _, meter = member.decode().partition("\0")
    return tenant, meter


def _figures_of(counted: Sequence[bytes]) -> tuple[int, int, int, int]:
    settled, pending, held, journal = counted
    return int(settled), int(pending), int(held), sum(int(part) for part in journal.split(b"+") if part)


def _more_of(record: Record, days: Days) -> tuple[bytes, bytes]:
    """A record's meters and holds as post.lua takes them."""
    meters = [
        (days.of(touch.tenant), touch.tenant, touch.meter, str(touch.amount), touch.until_ms) for touch in record.meters
    ]
    holds = [
        (days.of(use.tenant), use.tenant, use.hold_id, use.part, str(use.nanos), str(use.tokens))
        for use in record.holds
    ]
    return _pack(meters), _pack(holds)


def _journalled(place: bytes, fields: dict[bytes, bytes]) -> Journalled:
    touches = msgspec.msgpack.decode(fields[b"d"])
    meters = msgspec.msgpack.decode(fields[b"m"]) if b"m" in fields else ()
    return Journalled(
        place=place.decode(),
        nonce=fields[b"n"],
        events=int(fields[b"c"]),
        touches=tuple((touch[1], date.fromisoformat(touch[2])) for touch in touches),
        rows=fields[b"e"],
        meters=tuple((touch[1], touch[2]) for touch in meters),
    )
