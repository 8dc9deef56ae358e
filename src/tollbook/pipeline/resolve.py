"""From a decoded event to what the journal keeps: price, day, identity and row, all decided here and nowhere later."""

import os
from collections.abc import Sequence
from datetime import datetime
from struct import Struct
from typing import NamedTuple
from zlib import crc32

import msgspec

from tollbook.domain.agent import roles, within
from tollbook.domain.budget import BudgetBook
from tollbook.domain.errors import RejectCode, UnitsRefused
from tollbook.domain.event import Event, Observer, Rejection
from tollbook.domain.hold import counted_at, hold_name
from tollbook.domain.identity import (
    TIMED_FUTURE_MS,
    TIMED_PAST_MS,
    generation_of,
    id_time_ms,
    identity_of,
    minted,
)
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.money import nanos_from_usd
from tollbook.domain.observation import (
    REPORTED_DIFFERS,
    UNOBSERVED,
    call_identity,
    call_name,
    figures_differ,
    group_key,
    standing_of,
)
from tollbook.domain.record import HoldUse
from tollbook.domain.rows import (
    NOTHING_OBSERVED,
    RowEncoder,
    encode_observed,
    encode_row,
    encode_tail,
    pg_day,
    pg_micros,
)
from tollbook.domain.tenancy import Tenancy
from tollbook.domain.window import DayWindow
from tollbook.pipeline.metering import Metering, amount
from tollbook.ports.prices import Prices
from tollbook.pricing.quote import QuoteFlag

DEFAULT_SOURCE = "default"
"""One for the API and the first webhook: the same id sent to both is the same event."""

_COUNTS = Struct(">6i")
_UNPRICED = int(QuoteFlag.UNPRICED | QuoteFlag.UNITS_UNPRICED)
_DAY_MS = 86_400_000
_PLACES_MAX = 100_000
"""Tenants and agents remembered; each costs about 400 bytes."""


class Sender(msgspec.Struct, frozen=True):
    """Who sends: the tenant its key is bound to (None: any), its source where events name none, its request's id.

    A key of a sub-agent speaks for a subtree of agents, or for a run.
    """

    tenant: str | None = None
    source: str = DEFAULT_SOURCE
    request_id: str | None = None
    agent: str | None = None
    run: str | None = None


class Place:
    """Where a tenant's event of one day counts, with what its row says of it. Compared by identity: a cached one."""

    __slots__ = ("day", "end", "metering", "partition", "start", "tenant", "window")

    def __init__(self, tenant: str, partition: int, window: DayWindow, metering: Metering | None) -> None:
        self.tenant = tenant
        self.partition = partition
        self.window = window
        self.metering = metering
        self.day = pg_day(window.day)
        self.start = pg_micros(window.start)
        self.end = pg_micros(window.end)


class Chunk:
    """Resolved events of one partition, on their way into a record.

    `meters` has (amount, until_ms) by (tenant, meter), beside the days' dollars in `nanos`.
    """

    __slots__ = ("holds", "meters", "nanos", "rows")

    def __init__(self) -> None:
        self.rows: list[bytes] = []
        self.nanos: dict[Place, int] = {}
        self.meters: dict[tuple[str, str], tuple[int, int]] = {}
        self.holds: list[HoldUse] = []

    def add_meters(self, metering: Metering, event: Event, at: datetime, nanos: int) -> None:
        """Count an event in the meters that budgets name."""
        for unit, key, until_ms in metering.meters(event, at):
            known = self.meters.get(key)
            adds = amount(unit, event, nanos)
            self.meters[key] = (adds if known is None else known[0] + adds, until_ms)


class Resolved(NamedTuple):
    """Chunks by partition, what was refused on the way, and by tenant the models that something had no price of."""

    chunks: dict[int, Chunk]
    rejections: list[Rejection]
    events: int
    unpriced: set[tuple[str, str]]


class _Refused(Exception):  # noqa: N818 - a private outcome, turned into a Rejection where it is caught
    def __init__(self, code: RejectCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Resolver:
    """Resolves events under one configuration: limits, prices, tenancy."""

    def __init__(self, limits: IntakeLimits, prices: Prices, tenancy: Tenancy) -> None:
        self.prices = prices
        self._tenancy = tenancy
        self._limits = limits
        self._encoder = RowEncoder()
        self._roles: dict[str, str] = {}
        self._budgets = BudgetBook()
        self._places: dict[str, Place] = {}

    @property
    def tenancy(self) -> Tenancy:
        """The configuration in force."""
        return self._tenancy

    def under(self, tenancy: Tenancy, budgets: BudgetBook | None = None) -> None:
        """Resolve under this configuration from now on; budgets stay as they are where none are given."""
        if tenancy is not self._tenancy or (budgets is not None and budgets is not self._budgets):
            self._tenancy = tenancy
            self._budgets = budgets or self._budgets
            self._places.clear()

    def price_by(self, prices: Prices) -> None:
        """Price by another book from now on."""
        self.prices = prices

    def resolve(
        self, events: Sequence[Event], indexes: Sequence[int] | None, sender: Sender, now: datetime
    ) -> Resolved:
        """Resolve a request's events as received at `now`; a refused one never loses its neighbours."""
        resolved = Resolved({}, [], len(events), set())
        request = _Request(sender, now, self._limits, alone=len(events) == 1)
        for position, event in enumerate(events):
            index = position if indexes is None else indexes[position]
            try:
                self._resolve_one(event, index, request, resolved)
            except _Refused as refused:
                resolved.rejections.append(Rejection(index=index, code=refused.code, detail=refused.detail))
            except UnitsRefused as refused:
                resolved.rejections.append(Rejection(index=index, code=refused.reject, detail=refused.detail))
        return resolved

    def _resolve_one(self, event: Event, index: int, request: "_Request", resolved: Resolved) -> None:
        tenant = event.tenant
        if request.tenant is not None and tenant != request.tenant:
            raise _Refused(RejectCode.TENANT_FORBIDDEN, "this key is bound to another tenant")
        if request.narrow:
            request.check_agent(event)
        ts, ts_micros = request.instant(event.ts)
        source = event.source or request.source
        entry_id, generation = request.identity(tenant, source, event, index)
        counted, counted_micros = ts, ts_micros
        if event.hold is not None:
            counted = counted_at(ts, event.hold)
            counted_micros = pg_micros(counted)
        place = self._places.get(tenant)
        if place is None or not place.start <= counted_micros < place.end:
            place = self._place(tenant, counted)
        cost, price_id, flags = price_of(self.prices, event, ts)
        if cost > self._limits.cost_nanos_max:
            raise _Refused(RejectCode.COST_OUT_OF_RANGE, "the computed cost is above the bound for one event")
        if flags & _UNPRICED:
            resolved.unpriced.add((tenant, event.model))
        counts = (
            event.input,
            event.output,
            event.cache_read,
            event.cache_write_5m,
            event.cache_write_1h,
            event.reasoning,
        )
        names = self._encoder.names((
            tenant, event.agent, self._roles_of(event.agent), event.model, event.provider, source, event.run,
            event.service_tier,
        ))  # fmt: skip
        fingerprint, standing, observed = _observed(event, crc32(_COUNTS.pack(*counts), crc32(names)))
        reported = -1
        if event.cost_usd is not None:
            reported = int(nanos_from_usd(event.cost_usd))
            flags |= flag_of(reported, cost, flags, self._limits)
        row = encode_row(
            (
                entry_id, generation, fingerprint, ts_micros, place.day, place.start, place.end, cost,
                price_id or 0, reported, *counts, flags, standing,
            ),
            names,
            encode_tail(event.id, event.call_id, event.tags, event.hold, observed),
        )  # fmt: skip
        chunk = resolved.chunks.get(place.partition)
        if chunk is None:
            chunk = resolved.chunks[place.partition] = Chunk()
        chunk.rows.append(row)
        chunk.nanos[place] = chunk.nanos.get(place, 0) + cost
        if place.metering is not None:
            chunk.add_meters(place.metering, event, counted, cost)
        if event.hold is not None:
            chunk.holds.append(HoldUse(tenant, *hold_name(event.hold), cost, event.input + event.output))

    def _place(self, tenant: str, ts: datetime) -> Place:
        if len(self._places) >= _PLACES_MAX:
            self._places.clear()
        window = self._tenancy.window_at(tenant, ts)
        budgets = self._budgets.metered(tenant)
        metering = None if budgets is None else Metering(tenant, budgets, window, self._tenancy.calendar_of(tenant))
        place = self._places[tenant] = Place(tenant, self._tenancy.partition_of(tenant), window, metering)
        return place

    def _roles_of(self, agent: str) -> str:
        if "#" not in agent:
            return agent
        found = self._roles.get(agent)
        if found is None:
            if len(self._roles) >= _PLACES_MAX:
                self._roles.clear()
            found = self._roles[agent] = roles(agent)
        return found


class Price(NamedTuple):
    """What a call costs, the rate card it is from (None: none is known), and `QuoteFlag` bits."""

    cost_nanos: int
    price_id: int | None
    flags: int


def price_of(prices: Prices, event: Event, at: datetime) -> Price:
    """The price of a call, for whoever books it and whoever prices it anew.

    Raises `UnitsRefused` where its units say nothing consistent.
    """
    rates = prices.rates(
        event.provider, event.model, event.service_tier, at, tenant=event.tenant, context=event.context
    )
    if not event.units:
        return Price(rates.cost_nanos(event), rates.price_id, rates.flags)
    quote = rates.quote(event, event.units)
    return Price(quote.cost_nanos, quote.price_id, quote.flags)


def flag_of(reported: int, cost: int, flags: int, limits: IntakeLimits) -> int:
    """`REPORTED_DIFFERS` where a sender's own figure is far from the price book's, 0 where that has none."""
    if flags & _UNPRICED:
        return 0
    return REPORTED_DIFFERS if figures_differ(reported, cost, limits.reported_differs_percent) else 0


def _observed(event: Event, fingerprint: int) -> tuple[int, int, bytes]:
    """The fingerprint, which standing, units and context are part of, the standing, and what is packed."""
    seen, units, context = event.seen, event.units, event.context or None
    if seen is None and units is None and context is None:
        return fingerprint, UNOBSERVED, NOTHING_OBSERVED
    units = units or None
    standing = standing_of(seen)
    if units is not None:
        units = dict(sorted(units.items()))
        fingerprint = crc32(msgspec.json.encode(units), fingerprint)
    if context is not None:
        context = dict(sorted(context.items()))
        fingerprint = crc32(msgspec.json.encode(context), fingerprint)
    if seen is not None:
        fingerprint = crc32(standing.to_bytes(4, "big"), fingerprint)
    group = None if seen is None or seen.group is None else group_key(event.tenant, seen.group)
    return fingerprint, standing, encode_observed(units, context, group)


class _Request:
    """What the events of one request share."""

    def __init__(self, sender: Sender, now: datetime, limits: IntakeLimits, *, alone: bool) -> None:
        self.tenant = sender.tenant
        self.narrow = sender.agent is not None or sender.run is not None
        self._agent = sender.agent
        self._run = sender.run
        self.source = sender.source
        self.now = now
        self.now_micros = pg_micros(now)
        self._now_ms = int(now.timestamp() * 1000)
        self._request_id = sender.request_id
        self._unnamed: dict[int, int] = {}
        self._alone = alone
        self._limits = limits

    def check_agent(self, event: Event) -> None:
        if self._agent is not None and not within(event.agent, self._agent):
            raise _Refused(RejectCode.AGENT_FORBIDDEN, f"this key speaks for {self._agent} and what stands below it")
        if self._run is not None and event.run != self._run:
            raise _Refused(RejectCode.AGENT_FORBIDDEN, f"this key speaks for the run {self._run} alone")
        if event.seen is not None and event.seen.by is Observer.GATEWAY:
            # Its figures would stand above everybody else's of the same call.
            raise _Refused(RejectCode.OBSERVER_FORBIDDEN, "a key of an agent or a run does not speak for a gateway")

    def instant(self, ts: datetime | None) -> tuple[datetime, int]:
        """When the call took place, of receipt where the event says nothing, and in the microseconds of Postgres."""
        if ts is None:
            return self.now, self.now_micros
        ts_micros = pg_micros(ts)
        ahead_ms = (ts_micros - self.now_micros) // 1000
        if ahead_ms > self._limits.future_ms_max:
            raise _Refused(RejectCode.TS_FUTURE, "ts lies more than five minutes in the future")
        if ahead_ms < -self._limits.past_days_max * _DAY_MS:
            raise _Refused(
                RejectCode.TS_TOO_OLD, "ts lies before the dedupe window: a repeat could not be told from it"
            )
        return ts, ts_micros

    def _named(self, index: int) -> str:
        """The id of an event without one: of the request and the item; an item's second event is another one."""
        before = self._unnamed.get(index, 0)
        self._unnamed[index] = before + 1
        return f"{self._request_id}#{index}.{before}" if before else f"{self._request_id}#{index}"

    def identity(self, tenant: str, source: str, event: Event, index: int) -> tuple[bytes, int]:
        """The event's identity and the one generation it can stand in, 0 where it can be any."""
        if event.seen is not None:
            name = call_name(event.seen)
            if name is not None:
                return call_identity(tenant, name), 0
        event_id = event.id
        if event_id is None:
            if self._request_id is None:
                return minted(self._now_ms, os.urandom(10)), generation_of(self._now_ms)
            event_id = self._request_id if self._alone else self._named(index)
        time_ms = id_time_ms(event_id)
        entry_id = identity_of(tenant, source, event_id, time_ms)
        if time_ms is None:
            return entry_id, 0
        if time_ms > self._now_ms + TIMED_FUTURE_MS:
            raise _Refused(RejectCode.FIELD_OUT_OF_RANGE, "id: its own time lies more than a day in the future")
        timed = time_ms >= self._now_ms - TIMED_PAST_MS
        return entry_id, generation_of(time_ms) if timed else 0
