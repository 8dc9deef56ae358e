"""The ports of views over Postgres, and the rollups they read."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import asyncpg

from tollbook.ledger.pool import connection_of
from tollbook.ledger.queries import Queries
from tollbook.ports.views import Dearest, Engaged, Part, Split, Step, TenantDay


class PostgresViews:
    """Implements `ports.views.ViewReading` and `ports.views.Rollups`. The caller owns the pool."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries

    async def dearest(
        self, tenant: str | None, first_day: date, last_day: date, by: Sequence[str], count: int
    ) -> list[Dearest]:
        """The dearest groups of some local days, both included, by any of tenant, agent and model."""
        asked = ["tenant" in by, "agent" in by, "model" in by]
        rows = await self._rows("spend_dearest", first_day, last_day, *asked, count, tenant)
        return [Dearest(*row) for row in rows]

    async def parts(
        self, tenant: str, first_day: date, last_day: date, *, step: Step, by: Split, names: Sequence[str]
    ) -> list[Part]:
        """A tenant's spend over time, some agents or models by name and the others together; months are whole."""
        rows = await self._rows(f"spend_parts_by_{step}", tenant, first_day, last_day, by == "agent", list(names))
        return [Part(*row) for row in rows]

    async def tenant_days(self, partitions: Sequence[int], ended_after: datetime) -> list[TenantDay]:
        """Every tenant's days that are open or ended after an instant."""
        return [TenantDay(*row) for row in await self._rows("tenant_days", list(partitions), ended_after)]

    async def tenant_days_of(self, tenant: str, first_day: date) -> list[TenantDay]:
        """One tenant's days from a local day on."""
        return [TenantDay(*row) for row in await self._rows("tenant_days_of", tenant, first_day)]

    async def tenants(self, after: str, count: int) -> list[str]:
        """Tenants of which anything is booked, by name, behind a name."""
        return [row["tenant"] for row in await self._rows("tenants_known", after, count)]

    async def paces(self, days: Mapping[str, date], since: datetime) -> dict[str, int]:
        """What some tenants' days have come to from the start of a UTC hour on, in nano-dollars; none where nothing."""
        rows = await self._rows("tenant_paces", list(days), list(days.values()), since)
        return {row["tenant"]: row["cost_nanos"] for row in rows}

    async def months(self, months: Mapping[str, date]) -> dict[str, int]:
        """What some tenants' months, named by their first day, have come to, in nano-dollars; none where nothing."""
        if not months:
            return {}
        rows = await self._rows("tenant_months", list(months), list(months.values()))
        return {row["tenant"]: row["cost_nanos"] for row in rows}

    async def engaged(self, partitions: Sequence[int], tenant: str | None, now: datetime) -> list[Engaged]:
        """Meters that refuse, the soonest end first."""
        return [Engaged(*row) for row in await self._rows("throttles_engaged", list(partitions), tenant, now)]

    async def pulse(self) -> tuple[int, int]:
        """Two numbers of which one moves whenever something is booked or configured."""
        (row,) = await self._rows("views_pulse")
        return row["versions"], row["config_version"]

    async def booked_since(self, since: datetime) -> int:
        """How many calls were booked since an instant of the last minutes."""
        async with connection_of(self._pool) as connection:
            return int(await connection.fetchval(self._sql["booked_since"], since))

    async def fold(self, partition: int, versions_max: int) -> int:
        """Add what a partition has booked since; how many of its versions were passed."""
        async with connection_of(self._pool) as connection:
            passed = await connection.fetchval(self._sql["rollups_fold"], partition, versions_max)
        return 0 if passed is None else int(passed)

    async def _rows(self, name: str, *arguments: object) -> list[asyncpg.Record]:
        async with connection_of(self._pool) as connection:
            found: list[asyncpg.Record] = await connection.fetch(self._sql[name], *arguments)
        return found
