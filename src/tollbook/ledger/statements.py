"""Statements and closes of periods over PostgreSQL. docs/rooms/statements.md gives the rules."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from hashlib import sha256

import asyncpg
import msgspec

from tollbook.domain.errors import StatementAltered, invariant
from tollbook.domain.period import Period, PeriodBounds
from tollbook.ledger.budgets import EVERYONE
from tollbook.ledger.pool import Connection, connection_of
from tollbook.ledger.queries import Queries
from tollbook.ports.statements import Close, CloseListing, Line, Lines, Rates

_TIMEOUT_S = 600.0
"""A tenant with a hundred million calls a month takes minutes; an ordinary one milliseconds."""
_WORK_MEM = "64MB"
"""So that lines are summed in a hash table instead of sorting every entry on disk."""
_LINES = msgspec.json.Decoder(list[Line])
_UNITS = msgspec.json.Decoder(dict[str, int])


class PostgresStatements:
    """Implements `ports.statements.StatementStore`. The caller owns the pool."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries

    async def lines(self, tenant: str, period: Period) -> Lines:
        """A tenant's lines of a period under one snapshot; as they were kept, where they are."""
        async with connection_of(self._pool) as connection, _snapshot(connection):
            await connection.execute(self._sql["statement_plan"], _WORK_MEM)
            before, own = await self._bounds(connection, tenant, period)
            kept = None
            if own is not None:
                kept = await connection.fetchrow(self._sql["statement_sealed"], tenant, period.first_day)
            if kept is None:
                return await self._summed(connection, tenant, period, before, own)
        if sha256(kept["lines"]).digest() != kept["digest"]:
            raise StatementAltered(f"the kept statement of {tenant} for {period.text} does not have its digest")
        bounds = PeriodBounds(kept["starts_at"], kept["ends_at"], kept["zone"])
        return Lines(
            _LINES.decode(kept["lines"]), own, before, kept["first_ts"], kept["last_ts"], (bounds, kept["digest"])
        )

    async def rates(self, price_ids: Sequence[int]) -> Mapping[int, Rates]:
        """Rate cards by their ids."""
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(self._sql["statement_rates"], list(price_ids))
        return {row["price_id"]: Rates(row["provider"], row["model"], row["terms"]) for row in found}

    async def close(self, tenant: str | None, period: Period, by: str, now: datetime) -> tuple[Close, bool]:
        """Close a period for a tenant or for everyone (None); the close it has, and whether it is a new one."""
        whose = tenant or EVERYONE
        async with connection_of(self._pool) as connection, connection.transaction():
            await connection.execute(self._sql["period_close_lock"])
            found = await connection.fetchrow(self._sql["period_close_find"], whose, period.first_day)
            if found is not None:
                return _close(found), False
            made = await connection.fetchrow(self._sql["period_close_insert"], whose, period.first_day, now, by)
        return _close(made), True

    async def closes(self, tenant: str | None) -> list[CloseListing]:
        """Closes, newest period first: all, or those that a tenant has."""
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(self._sql["period_closes"], tenant)
        return [CloseListing(_close(row), row["statements"], int(row["cost_nanos"])) for row in found]

    async def unsealed(self, close: Close, period: Period, after: str, count: int) -> list[str]:
        """Up to `count` tenants behind `after` whose statement of a closed period is not kept yet."""
        whose = close.tenant or EVERYONE
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(
                self._sql["period_unsealed"], period.first_day, period.last_day, whose, after, count, timeout=_TIMEOUT_S
            )
        return [row["tenant_id"] for row in found]

    async def seal(self, tenant: str, period: Period, bounds: PeriodBounds) -> bool:
        """Keep a closed period's statement; False where the period is open. One that is kept stays as it is."""
        # Entries up to a version never change, so that what is read here may be written later.
        found = await self.lines(tenant, period)
        if found.close is None:
            return False
        if found.sealed is None:
            text = msgspec.json.encode(found.lines)
            sums = [sum(column) for column in zip(*map(_sums, found.lines), strict=True)] or [0, 0, 0]
            async with connection_of(self._pool) as connection:
                await connection.execute(
                    self._sql["statement_seal"],
                    *(tenant, period.first_day, found.close.close_id, bounds.zone, bounds.start, bounds.end),
                    *(*sums, found.first_ts, found.last_ts, text, sha256(text).digest()),
                )
        return True

    async def _bounds(self, connection: Connection, tenant: str, period: Period) -> tuple[Close | None, Close | None]:
        rows = await connection.fetch(self._sql["statement_bounds"], tenant, period.first_day)
        found = {row["which"]: _close(row) for row in rows}
        return found.get("before"), found.get("own")

    async def _summed(
        self, connection: Connection, tenant: str, period: Period, before: Close | None, own: Close | None
    ) -> Lines:
        rows = await connection.fetch(
            self._sql["statement_lines"],
            *(tenant, period.first_day, period.last_day),
            *(None if close is None else list(close.versions) for close in (before, own)),
            timeout=_TIMEOUT_S,
        )
        first_ts = min((row["first_ts"] for row in rows), default=None)
        last_ts = max((row["last_ts"] for row in rows), default=None)
        # In an order of our own: Postgres' depends on the database's collation, and the digest on the order.
        return Lines(sorted(map(_line, rows), key=_place), own, before, first_ts, last_ts, None)


def _snapshot(connection: Connection) -> AbstractAsyncContextManager[object]:
    found: AbstractAsyncContextManager[object] = connection.transaction(isolation="repeatable_read", readonly=True)
    return found


def _sums(line: Line) -> tuple[int, int, int]:
    return line.entries, line.calls, line.cost_nanos


def _place(line: Line) -> tuple[str, bool, str, str, str, int]:
    return line.period, line.corrects, line.agent, line.model, line.provider or "", line.price_id or 0


def _close(row: asyncpg.Record) -> Close:
    invariant(row is not None, "a close was written and is not there")
    period = Period(row["period"])
    return Close(
        row["close_id"], period, row["tenant"] or None, tuple(row["versions"]), row["closed_at"], row["closed_by"]
    )


def _line(row: asyncpg.Record) -> Line:
    return Line(
        period=Period(row["month"]).text,
        corrects=row["corrects"],
        agent=row["agent"],
        model=row["model"],
        provider=row["provider"],
        price_id=row["price_id"],
        entries=row["entries"],
        calls=row["calls"],
        cost_nanos=row["cost_nanos"],
        unpriced_nanos=row["unpriced_nanos"],
        estimated_nanos=row["estimated_nanos"],
        input=row["input"],
        cache_read=row["cache_read"],
        cache_write_5m=row["cache_write_5m"],
        cache_write_1h=row["cache_write_1h"],
        output=row["output"],
        reasoning=row["reasoning"],
        units_unpriced=row["units_unpriced"],
        context_unknown=row["context_unknown"],
        units={} if row["units"] is None else _UNITS.decode(row["units"]),
    )
