"""Where spans are kept: for the run's view, and so that a span that comes late can still say whose work a call was."""

from collections.abc import Collection, Sequence, Set
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec


class SpanRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A span to be kept. `facts` is what `ingest.otel` made of it, `attributes` JSON, `kept` Unix nanoseconds, when it
    started and ended Unix microseconds."""

    tenant: str
    trace_id: bytes
    span_id: bytes
    parent_id: bytes | None
    started_micros: int
    ended_micros: int
    name: str
    kind: str
    failed: bool
    run: str | None
    kept: int
    facts: bytes
    attributes: bytes | None

    @property
    def trace(self) -> "TraceKey":
        """Whose trace it is of."""
        return self.tenant, self.trace_id

    @property
    def key(self) -> "SpanKey":
        """Which span it is."""
        return self.tenant, self.trace_id, self.span_id


class KeptSpan(NamedTuple):
    """What is asked again of a span that was kept."""

    tenant: str
    trace_id: bytes
    span_id: bytes
    parent_id: bytes | None
    kept: int
    facts: bytes


class SpanView(NamedTuple):
    """A kept span as people look at it."""

    tenant: str
    trace_id: bytes
    span_id: bytes
    parent_id: bytes | None
    started_at: datetime
    ended_at: datetime
    name: str
    kind: str
    failed: bool
    kept: int
    facts: bytes
    attributes: str | None


SpanKey = tuple[str, bytes, bytes]
"""Tenant, trace and span."""
TraceKey = tuple[str, bytes]
"""Tenant and trace."""


class SpanStore(Protocol):
    """Spans by tenant, trace and span. Methods raise `LedgerUnavailable` where Postgres is away."""

    async def keep(self, rows: Sequence[SpanRow]) -> list[KeptSpan]:
        """Keep spans, each once, and commit; those that were there already come back as they were kept."""
        ...

    async def shared(
        self, traces: Collection[TraceKey], since: datetime, until: datetime, *, but_kept: int
    ) -> set[TraceKey]:
        """Those of these traces of which a span that started between two instants was kept, but for those kept as
        `but_kept`."""
        ...

    async def relatives(
        self,
        above: Collection[SpanKey],
        below: Collection[SpanKey],
        since: datetime,
        until: datetime,
        *,
        but: Set[SpanKey],
        but_kept: int,
        spans_max: int,
    ) -> list[KeptSpan]:
        """Kept spans that started between two instants: those of `above` and their ancestors, and the descendants of
        those of `below`; at most so many, without those of `but` and those kept as `but_kept`."""
        ...

    async def trace(self, tenant: str | None, trace_id: bytes, spans_max: int) -> list[SpanView]:
        """The kept spans of a trace, oldest first."""
        ...

    async def run(self, tenant: str | None, run: str, spans_max: int) -> list[SpanView]:
        """The kept spans of every trace in which a span says that it is of this run, oldest first."""
        ...

    async def costs(self, tenant: str, event_ids: Sequence[str], since: datetime, until: datetime) -> dict[str, int]:
        """Nano-dollars booked under each of these ids between two instants, corrections among them."""
        ...

    async def make_span_room(self, at: datetime, keep_days: int) -> int:
        """Partitions for the time around `at`; drops those that ended before the retention, and says how many."""
        ...
