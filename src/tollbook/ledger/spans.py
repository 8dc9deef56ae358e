"""The span store over Postgres. Spans are not money: nothing here is part of a ledger transaction."""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence, Set
from datetime import datetime, timedelta
from functools import lru_cache
from struct import Struct

import asyncpg

from tollbook.domain.rows import COPY_HEADER, COPY_TRAILER, encode_bytes, encode_text, pg_micros_of_unix
from tollbook.ledger.pool import Connection, connection_of
from tollbook.ledger.queries import Queries
from tollbook.ports.spans import KeptSpan, SpanKey, SpanRow, SpanView, TraceKey

_COLUMNS = (
    *("trace_id", "span_id", "started_at", "ended_at", "kept", "failed", "tenant", "name", "kind", "parent_id", "run"),
    *("facts", "attributes"),
)
_FIXED = Struct(">h i16s i8s iq iq iq i?".replace(" ", ""))
_NAMES_CACHED_MAX = 16_384


class PostgresSpans:
    """Implements `ports.spans.SpanStore`. The caller owns the pool."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries

    async def keep(self, rows: Sequence[SpanRow]) -> list[KeptSpan]:
        """Keep spans, each once, and commit; those that were there already come back as they were kept."""
        # Packed rows begin with trace and span, so that their order is that of the locks.
        packed = sorted(map(_packed, rows))
        async with connection_of(self._pool) as connection:
            try:
                await _copy(connection, "span", packed)
            except asyncpg.UniqueViolationError:
                # An exporter that had no answer sends again.
                return await self._keep_new(connection, packed)
        return []

    async def _keep_new(self, connection: Connection, packed: Sequence[bytes]) -> list[KeptSpan]:
        async with connection.transaction():
            await connection.execute(self._sql["span_given_create"])
            await _copy(connection, "span_given", packed)
            old = await connection.fetch(self._sql["span_keep"])
        found = await connection.fetch(self._sql["span_kept"], *_columns(tuple(row) for row in old))
        return [KeptSpan(*row) for row in found]

    async def shared(
        self, traces: Collection[TraceKey], since: datetime, until: datetime, *, but_kept: int
    ) -> set[TraceKey]:
        """Those of these traces of which a span that started between two instants was kept, but for those kept as
        `but_kept`."""
        tenants, ids = [tenant for tenant, _ in traces], [trace_id for _, trace_id in traces]
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(self._sql["span_shared"], tenants, ids, since, until, but_kept)
        return {(tenant, trace_id) for tenant, trace_id in found}

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
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(
                self._sql["span_relatives"],
                *_columns(above),
                *_columns(below),
                since,
                until,
                spans_max + len(but),
                but_kept,
            )
        return [KeptSpan(*row) for row in found if tuple(row)[:3] not in but]

    async def trace(self, tenant: str | None, trace_id: bytes, spans_max: int) -> list[SpanView]:
        """The kept spans of a trace, oldest first."""
        return await self._views("span_trace", tenant, trace_id, spans_max)

    async def run(self, tenant: str | None, run: str, spans_max: int) -> list[SpanView]:
        """The kept spans of every trace in which a span says that it is of this run, oldest first."""
        return await self._views("span_run", tenant, run, spans_max)

    async def _views(self, query: str, tenant: str | None, asked: object, spans_max: int) -> list[SpanView]:
        async with connection_of(self._pool) as connection:
            if tenant is None:
                found = await connection.fetch(self._sql[f"{query}_of_all"], asked, spans_max)
            else:
                found = await connection.fetch(self._sql[f"{query}_of_tenant"], asked, spans_max, tenant)
        return [SpanView(*row) for row in found]

    async def costs(self, tenant: str, event_ids: Sequence[str], since: datetime, until: datetime) -> dict[str, int]:
        """Nano-dollars booked under each of these ids between two instants, corrections among them."""
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(self._sql["span_costs"], tenant, list(event_ids), since, until)
        return {row["event_id"]: row["cost_nanos"] for row in found}

    async def make_span_room(self, at: datetime, keep_days: int) -> int:
        """Partitions for the time around `at`; drops those that ended before the retention, and says how many."""
        async with connection_of(self._pool) as connection:
            return int(await connection.fetchval(self._sql["span_make_room"], at, timedelta(days=keep_days)))


def _packed(row: SpanRow) -> bytes:
    """A span as a row of binary COPY, by `_COLUMNS`."""
    started, ended = pg_micros_of_unix(row.started_micros), pg_micros_of_unix(row.ended_micros)
    return (
        _FIXED.pack(len(_COLUMNS), 16, row.trace_id, 8, row.span_id, 8, started, 8, ended, 8, row.kept, 1, row.failed)
        + _names(row.tenant, row.name, row.kind)
        + encode_bytes(row.parent_id)
        + encode_text(row.run)
        + encode_bytes(row.facts)
        + encode_bytes(row.attributes)
    )


@lru_cache(maxsize=_NAMES_CACHED_MAX)
def _names(tenant: str, name: str, kind: str) -> bytes:
    return encode_text(tenant) + encode_text(name) + encode_text(kind)


async def _copy(connection: Connection, table: str, packed: Sequence[bytes]) -> None:
    await connection.copy_to_table(table, source=_copy_input(packed), format="binary", columns=_COLUMNS)


async def _copy_input(packed: Sequence[bytes]) -> AsyncIterator[bytes]:
    yield COPY_HEADER + b"".join(packed) + COPY_TRAILER


def _columns(keys: Iterable[tuple[object, ...]]) -> list[list[object]]:
    """Keys of three parts as three arrays."""
    parts: list[list[object]] = [list(part) for part in zip(*keys, strict=True)]
    return parts or [[], [], []]
