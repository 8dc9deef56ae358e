"""The span store over Postgres. Spans are not money: nothing here is part of a ledger transaction."""

from collections.abc import Collection, Iterable, Sequence, Set
from datetime import datetime, timedelta

import asyncpg

from tollbook.ledger.pool import connection_of
from tollbook.ledger.queries import Queries
from tollbook.ports.spans import KeptSpan, SpanKey, SpanRow, SpanView


class PostgresSpans:
    """Implements `ports.spans.SpanStore`. The caller owns the pool."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries

    async def keep(self, rows: Sequence[SpanRow]) -> list[KeptSpan]:
        """Keep spans, each once, and commit; those that were there already come back as they were kept."""
        ordered = sorted(rows, key=lambda row: (row.trace_id, row.span_id))
        async with connection_of(self._pool) as connection:
            old = await connection.fetch(self._sql["span_keep"], *map(list, zip(*ordered, strict=True)))
            if not old:
                return []
            found = await connection.fetch(self._sql["span_kept"], *_columns(tuple(row) for row in old))
        return [KeptSpan(*row) for row in found]

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


def _columns(keys: Iterable[tuple[object, ...]]) -> list[list[object]]:
    """Keys of three parts as three arrays."""
    parts: list[list[object]] = [list(part) for part in zip(*keys, strict=True)]
    return parts or [[], [], []]
