"""From the spans of a request to events: kept first, then placed among all that is known, then handed to the intake.

docs/rooms/traces.md says what each step promises and what happens where it fails.
"""

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec

from tollbook.domain.errors import LedgerRefused, LedgerUnavailable, RejectCode
from tollbook.domain.event import Event, Observer, Rejection
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.otel.claims import Mapping, process_of
from tollbook.ingest.otel.events import event_of
from tollbook.ingest.otel.reading import text
from tollbook.ingest.otel.signals import Origin, Span
from tollbook.ingest.otel.spans import Facts, facts_of, kept_attributes
from tollbook.ingest.otel.tree import Known, Placed, Tree
from tollbook.ingest.refusal import ItemRefused
from tollbook.ports.clock import Clock
from tollbook.ports.spans import KeptSpan, SpanRow, SpanStore, SpanView
from tollbook.telemetry import StoreTrouble, Telemetry

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NEAR = timedelta(hours=24)
"""How far apart spans may start and still be sought as each other's relatives: it bounds the weeks looked in."""
_AHEAD = timedelta(days=1)
_NONE = -1
_FACTS = msgspec.msgpack.Decoder(Facts)
_PACK = msgspec.msgpack.Encoder()
_JSON = msgspec.json.Encoder()
_MICROS_MAX = 253_402_300_799_000_000


class TraceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How spans are read and kept. `relatives_max` bounds what is read again for one request."""

    mapping: Mapping = Mapping()
    keep_days: int = 30
    content: bool = False
    relatives_max: int = 20_000
    name_chars_max: int = 128


class Observed(msgspec.Struct, kw_only=True):
    """What a request's spans came to.

    `events` are of the request's own spans, `indexes` their places in it. `again` are calls of earlier spans, whose
    place is better known now. `postponed`: sums that could not be told from those of their parts; the sender must come
    back.
    """

    events: list[Event]
    indexes: list[int]
    again: list[Event]
    rejections: list[Rejection]
    postponed: bool = False


class _Mine:
    """The spans of a request of one tenant."""

    def __init__(self) -> None:
        self.known: dict[tuple[bytes, bytes], tuple[int, Known]] = {}
        self.rows: dict[tuple[bytes, bytes], SpanRow] = {}


class Traces:
    """Reads spans under one configuration."""

    def __init__(
        self, store: SpanStore, clock: Clock, telemetry: Telemetry, limits: IntakeLimits, settings: TraceSettings
    ) -> None:
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._limits = limits
        self.settings = settings

    async def observe(self, spans: Iterable[Span], tenant: str | None) -> Observed:
        """The events of a request's spans; `tenant` is the one that the sender's key is bound to."""
        observed = Observed(events=[], indexes=[], again=[], rejections=[])
        found = self._read(spans, tenant, observed)
        rows = [row for mine in found.values() for row in mine.rows.values()]
        relatives, whole = await self._kept(rows) if rows else ({}, True)
        for whose, mine in found.items():
            self._place(whose, mine, relatives.get(whose, ()), observed, whole=whole)
        return observed

    async def _kept(self, rows: list[SpanRow]) -> tuple[dict[str, list[Known]], bool]:
        """Keep spans; what is known of their relatives, by tenant, and whether that is all there is to know."""
        known: dict[str, list[Known]] = {}
        try:
            old = await self._store.keep(rows)
            # Only after these are committed: of two receivers with a parent and its child, one sees both.
            relatives = await self._relatives(rows)
        except LedgerUnavailable as trouble:
            self._telemetry.record(StoreTrouble("postgres", "spans are not kept", str(trouble)))
            return {}, False
        except LedgerRefused as trouble:
            self._telemetry.record(StoreTrouble("postgres", "spans are not kept", str(trouble)))
            return {}, True
        for span in old:
            known.setdefault(span.tenant, []).append(known_span(span))
        for tenant, found in relatives:
            known.setdefault(tenant, []).append(found)
        return known, True

    async def _relatives(self, rows: list[SpanRow]) -> list[tuple[str, Known]]:
        """Who stands above and below these spans; where a sum stands above them, whatever else stands below it too."""
        since = _EPOCH + min(row.started_micros for row in rows) * _MICROSECOND - _NEAR
        until = _EPOCH + max(row.ended_micros for row in rows) * _MICROSECOND + _NEAR
        # Most traces come whole: only those that other requests brought spans of are looked into.
        shared = await self._store.shared({row.trace for row in rows}, since, until, but_kept=rows[0].kept)
        if not shared:
            return []
        rows = [row for row in rows if row.trace in shared]
        mine = {row.key for row in rows}
        above = {(row.tenant, row.trace_id, row.parent_id) for row in rows if row.parent_id is not None} - mine
        spans_max = self.settings.relatives_max
        # Spans of this very request need not be read back.
        found = await self._store.relatives(
            above, mine, since, until, but=mine, but_kept=rows[0].kept, spans_max=spans_max
        )
        known = [(span.tenant, known_span(span)) for span in found]
        sums = {
            (tenant, span.trace_id, span.span_id)
            for tenant, span in known
            if span.facts.call is not None and span.facts.call.by is Observer.AGGREGATE
        }
        if sums:
            there = mine | {span[:3] for span in found}
            more = await self._store.relatives((), sums, since, until, but=there, but_kept=_NONE, spans_max=spans_max)
            known += [(span.tenant, known_span(span)) for span in more]
        return known

    def _read(self, spans: Iterable[Span], tenant: str | None, observed: Observed) -> dict[str, _Mine]:
        now = self._clock.now()
        # Drawn below the microsecond: no two requests share it.
        kept = int(now.timestamp() * 1_000_000) * 1_000 + int.from_bytes(os.urandom(4), "big") % 1_000
        between = _micros(now - timedelta(days=self.settings.keep_days)), _micros(now + _AHEAD)
        found: dict[str, _Mine] = {}
        mapping = self.settings.mapping
        origin: Origin | None = None
        for span in spans:
            if span.origin is not origin:
                origin = span.origin
                process = process_of(origin, mapping)
            try:
                facts = facts_of(span, process, mapping)
                whose = tenant or process.tenant
                if tenant is None and not process.owning.isdisjoint(span.attributes):
                    whose = text(span.attributes, *mapping.tenant) or whose
                if whose is None:
                    if facts.call is not None:
                        raise ItemRefused(RejectCode.FIELD_MISSING, "no attribute names the tenant, nor does the key")
                    continue
            except ItemRefused as refused:
                observed.rejections.append(Rejection(index=span.index, code=refused.code.value, detail=refused.detail))
                continue
            mine = found.get(whose)
            if mine is None:
                mine = found[whose] = _Mine()
            key = (span.trace_id, span.span_id)
            known = Known(
                trace_id=span.trace_id, span_id=span.span_id, parent_id=span.parent_id, kept=kept, facts=facts
            )
            mine.known[key] = (span.index, known)
            row = self._row(whose, span, known, between)
            if row is not None:
                mine.rows[key] = row
        return found

    def _row(self, tenant: str, span: Span, known: Known, between: tuple[int, int]) -> SpanRow | None:
        """The row of a span; None where its times are none that spans are kept of."""
        started_micros, ended_micros = span.start_nanos // 1_000, max(span.end_nanos, span.start_nanos) // 1_000
        if ended_micros >= _MICROS_MAX or not between[0] <= started_micros < between[1]:
            return None
        claim = known.facts.claim
        attributes = None
        if known.facts.call is not None or claim.kind != "other":
            kept = kept_attributes(span.attributes, content=self.settings.content)
            attributes = _JSON.encode(kept) if kept else None
        run = claim.run or claim.conversation
        return SpanRow(
            tenant=tenant,
            trace_id=span.trace_id,
            span_id=span.span_id,
            parent_id=span.parent_id,
            started_micros=started_micros,
            ended_micros=ended_micros,
            name=_storable(span.name)[: self.settings.name_chars_max],
            kind=claim.kind,
            failed=span.status == _ERROR,
            run=None if run is None else _storable(run)[: self._limits.name_chars_max],
            kept=known.kept,
            facts=_PACK.encode(known.facts),
            attributes=attributes,
        )

    def _place(self, tenant: str, mine: _Mine, relatives: Iterable[Known], observed: Observed, *, whole: bool) -> None:
        known = {key: span for key, (_, span) in mine.known.items()}
        # A span sent again stands in the order in which it was kept first.
        known |= {(span.trace_id, span.span_id): span for span in relatives}
        tree = Tree(known.values())
        own = mine.known
        # Where nothing was known before, nothing is known better now.
        before = tree.without(own.keys()) if len(known) > len(own) else tree
        for key, span in known.items():
            if span.facts.call is None:
                continue
            if not whole and span.facts.call.by is Observer.AGGREGATE and span.facts.call.group is None:
                observed.postponed = True
                continue
            placed = tree.placed(span)
            if placed is None:
                continue
            if key in own:
                if not placed.is_empty_sum:
                    self._add(tenant, mine.known[key][0], span, placed, observed)
            elif not placed.books_as(before.placed(span)):
                self._add(tenant, None, span, placed, observed)

    def _add(self, tenant: str, index: int | None, span: Known, placed: Placed, observed: Observed) -> None:
        try:
            event = event_of(placed.call, placed.at(tenant, span.facts), self._limits)
        except ItemRefused as refused:
            if index is not None:
                observed.rejections.append(Rejection(index=index, code=refused.code.value, detail=refused.detail))
            return
        if index is None:
            observed.again.append(event)
        else:
            observed.events.append(event)
            observed.indexes.append(index)


_ERROR = 2


def known_span(span: KeptSpan | SpanView) -> Known:
    """A kept span as the tree takes it."""
    return Known(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_id=span.parent_id,
        kept=span.kept,
        facts=_FACTS.decode(span.facts),
    )


def _storable(said: str) -> str:
    """Text that Postgres takes: it stores no NUL."""
    return said.replace("\x00", "\ufffd")


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
