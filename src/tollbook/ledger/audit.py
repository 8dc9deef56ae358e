"""The ledger recomputed from its entries, set-based, under one snapshot."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import asyncpg

from tollbook.domain.period import Period
from tollbook.ledger.booking import IDENTITY_KEPT, WEEK_S, week_of
from tollbook.ledger.budgets import EVERYONE, listing_of
from tollbook.ledger.pool import connection_of
from tollbook.ledger.queries import Queries
from tollbook.ports.audit import Comparison, LedgerEquation, Limits, SettledDays, SettledMeters

_SAMPLES_MAX = 5
_STATEMENT_TIMEOUT_S = 3_600.0
_WORK_MEM = "128MB"
_ALWAYS = datetime(1, 1, 2, tzinfo=UTC)
_DAY_BEFORE_UTC = timedelta(days=1)
"""No local day begins earlier than this before its date does in UTC (zones reach 14 hours ahead)."""
_ID_BEFORE_ENTRY = timedelta(days=8)
"""An id's own time is trusted up to a week back, and an event's may be minutes ahead of its receipt."""
_ENTRY_BEFORE_ID = timedelta(days=37)
"""An event may be 35 days old when it is received, and its id a day ahead of that."""


class PostgresAudit:
    """Implements `ports.audit.LedgerAudit`. The caller owns the pool."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries

    async def compare(self, since: date | None, now: datetime) -> dict[LedgerEquation, Comparison]:
        """Recompute every equation under one snapshot; `since` leaves out what belongs to earlier days."""
        found: dict[LedgerEquation, Comparison] = {}
        async with (
            connection_of(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await connection.execute(self._sql["verify_memory"], _WORK_MEM)
            for equation, bounds in _bounds(since, now).items():
                row = await connection.fetchrow(
                    self._sql[f"verify_{equation.value}"], *bounds, _SAMPLES_MAX, timeout=_STATEMENT_TIMEOUT_S
                )
                left, right, differing, samples = row
                found[equation] = Comparison(int(left), int(right), differing, tuple(samples or ()))
        return found

    async def settled(self, partition: int, days: Sequence[tuple[str, date]]) -> SettledDays:
        """Totals and version under one snapshot; a day in which nothing is booked is left out."""
        async with (
            connection_of(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            standing = await connection.fetchrow(self._sql["partition_version"], partition)
            tenants = [tenant for tenant, _ in days]
            rows = await connection.fetch(self._sql["day_totals"], tenants, [day for _, day in days])
        return SettledDays(standing["version"], {(row["tenant_id"], row["day"]): row["cost_nanos"] for row in rows})

    async def open_days(self, partition: int, now: datetime) -> list[tuple[str, date]]:
        """Days of a partition in which something is booked and whose window has not ended."""
        async with connection_of(self._pool) as connection:
            rows = await connection.fetch(self._sql["verify_open_days"], partition, now)
        return [(row["tenant_id"], row["day"]) for row in rows]

    async def settled_meters(self, partition: int, meters: Sequence[tuple[str, str]]) -> SettledMeters:
        """Totals of meters and version under one snapshot; one in which nothing is booked is left out."""
        async with (
            connection_of(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            standing = await connection.fetchrow(self._sql["partition_version"], partition)
            names = [[tenant for tenant, _ in meters], [meter for _, meter in meters]]
            rows = await connection.fetch(self._sql["meter_totals"], *names)
        return SettledMeters(standing["version"], {(row["tenant"], row["meter"]): row["total"] for row in rows})

    async def open_meters(self, partition: int, now: datetime) -> list[tuple[str, str]]:
        """Meters of a partition whose window has not ended, but runs."""
        async with connection_of(self._pool) as connection:
            rows = await connection.fetch(self._sql["verify_open_meters"], partition, int(now.timestamp() * 1000))
        return [(row["tenant"], row["meter"]) for row in rows]

    async def limits(self) -> Limits:
        """The limits as configured."""
        async with connection_of(self._pool) as connection:
            rows = await connection.fetch(self._sql["daily_limits"])
            watched = await connection.fetch(self._sql["verify_watched"])
        every = {row["tenant"]: listing_of(row).budget.flag_limit for row in rows}
        return Limits(every.pop(EVERYONE), every, {row["tenant"] for row in watched})


_METERED = timedelta(days=75)
"""A run kept may have begun so long ago, and an open month's call be booked with a time a little before it."""
_RUN_KEPT = timedelta(days=35)


def _bounds(since: date | None, now: datetime) -> dict[LedgerEquation, tuple[object, ...]]:
    """What each statement takes before its number of samples."""
    ts_from = _ALWAYS if since is None else datetime.combine(since, time.min, tzinfo=UTC) - _DAY_BEFORE_UTC
    day_from = _ALWAYS.date() if since is None else since
    oldest_live = week_of(now - IDENTITY_KEPT)
    identified_from = max(ts_from, _start_of(oldest_live) + _ID_BEFORE_ENTRY)
    identities_from = oldest_live if since is None else week_of(identified_from)
    return {
        LedgerEquation.DAILY_SPEND: (ts_from, day_from),
        LedgerEquation.ROLLUP_HOUR: (ts_from, day_from),
        LedgerEquation.ROLLUP_DAY: (day_from,),
        LedgerEquation.RUN_TOTAL: (ts_from,),
        LedgerEquation.ENTRY_ONCE: (ts_from,),
        LedgerEquation.CORRECTIONS: (ts_from,),
        LedgerEquation.ENTRY_IDENTITY: (identified_from, week_of(identified_from - _ID_BEFORE_ENTRY)),
        LedgerEquation.IDENTITY_ENTRY: (_start_of(identities_from) - _ENTRY_BEFORE_ID, identities_from),
        LedgerEquation.PRICE: (ts_from,),
        LedgerEquation.VERSION: (),
        LedgerEquation.STATEMENT: (ts_from, _first_month(day_from)),
        LedgerEquation.METER_TOTAL: (max(ts_from, now - _METERED), now - _RUN_KEPT, now),
    }


def _first_month(day: date) -> date:
    """The first month that begins no earlier: statements are of whole months."""
    return day if day.day == 1 else Period.holding(day).next.first_day


def _start_of(week: int) -> datetime:
    return datetime.fromtimestamp(week * WEEK_S, UTC)
