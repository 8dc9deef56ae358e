"""The finding port over Postgres: bounded looks along an index, each one statement."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import asyncpg

from tollbook.ledger.pool import Connection, connection_of
from tollbook.ledger.queries import Queries
from tollbook.ledger.reading import entry_of
from tollbook.ports.finding import (
    ANY_ENTRY,
    ANY_RUN,
    Cursor,
    EntryFilter,
    EntryPage,
    Followed,
    RunCursor,
    RunFilter,
    RunListing,
    RunPage,
    Seen,
)
from tollbook.ports.reading import EntryRow

_LAST_ID = UUID(int=(1 << 128) - 1)
_NEWEST = (datetime(9999, 12, 31, tzinfo=UTC), _LAST_ID)
_OLDEST = datetime(1, 1, 2, tzinfo=UTC)
_LOOKED = 4_000
"""Rows that one page looks at where they lie together, as all entries of a time do: some 10 ms."""
_LOOKED_SCATTERED = 1_500
"""The same where each row lies on a page of its own, as one tenant's among those of a thousand do."""
_LOOKED_AT_RUNS = 1_000
_RUN_CALLS_MAX = 10_000
"""A run of more calls is found among all entries: it is dense there, and its own would have to be sorted."""
_DAYS_MAX = 400
_VERSIONS = 256
"""Transactions that one look of a follower covers in a partition."""


class PostgresFinding:
    """Implements `ports.finding.Finding`. The caller owns the pool."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries

    async def entries(
        self, tenant: str | None, before: Cursor | None, count: int, wanted: EntryFilter = ANY_ENTRY
    ) -> EntryPage:
        """Up to `count` entries that fit, newest first, behind the cursor."""
        place = _NEWEST if before is None else (before[0], UUID(before[1]))
        if wanted.until is not None:
            place = min(place, (wanted.until, UUID(int=0)))
        since = wanted.since or _OLDEST
        async with connection_of(self._pool) as connection:
            days = None if wanted.run is None else await self._days_of(connection, tenant, wanted.run)
            looked = None
            if days is not None:
                bounds = (*place, count + 1, since, *_fit(wanted))
                found = await connection.fetch(self._sql["entries_of_run"], *bounds, tenant, days)
            else:
                name, owner, rows_looked = _walk(tenant, wanted)
                bounds = (*place, count + 1, rows_looked, since, *_fit(wanted))
                found = await connection.fetch(self._sql[f"entries_{name}"], *bounds, *owner)
                if len(found) <= count:
                    whose = owner if name == "of_tenant" else ()
                    looked = await connection.fetchrow(
                        self._sql[f"entries_place_{name}"], *place, rows_looked, since, *whose
                    )
        rows = [entry_of(row) for row in found[:count]]
        if len(found) > count:
            return EntryPage(rows, (rows[-1].ts, rows[-1].entry_id))
        return EntryPage(rows, None if looked is None else (looked["ts"], str(looked["entry_id"])))

    async def entry(self, tenant: str | None, entry_id: str, ts: datetime) -> EntryRow | None:
        """The entry of an id at its instant."""
        async with connection_of(self._pool) as connection:
            row = await connection.fetchrow(self._sql["entry_at"], ts, UUID(entry_id), tenant)
        return None if row is None else entry_of(row)

    async def runs(
        self, tenant: str | None, before: RunCursor | None, count: int, wanted: RunFilter = ANY_RUN
    ) -> RunPage:
        """Up to `count` runs that fit, those that began last first, behind the cursor."""
        place = (_NEWEST[0], "", "") if before is None else before
        if wanted.until is not None:
            place = min(place, (wanted.until, "", ""))
        since = wanted.since or _OLDEST
        fit = (tenant, wanted.agent, wanted.model, wanted.cost_nanos_min)
        name = "runs_of_all" if tenant is None else "runs_of_tenant"
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(self._sql[name], *place, count + 1, _LOOKED_AT_RUNS, since, *fit)
            looked = None
            if len(found) <= count:
                owner = () if tenant is None else (tenant,)
                looked = await connection.fetchrow(
                    self._sql["runs_place_of_all" if tenant is None else "runs_place_of_tenant"],
                    *(*place, _LOOKED_AT_RUNS, since, *owner),
                )
        rows = [RunListing(*row) for row in found[:count]]
        if len(found) > count:
            return RunPage(rows, (rows[-1].first_ts, rows[-1].run, rows[-1].tenant))
        return RunPage(rows, None if looked is None else (looked["first_ts"], looked["run"], looked["tenant"]))

    async def heads(self) -> dict[int, int]:
        """The version of each partition's newest transaction."""
        async with connection_of(self._pool) as connection:
            return {row["partition"]: row["version"] for row in await connection.fetch(self._sql["versions"])}

    async def after(
        self,
        tenant: str | None,
        seen: Mapping[int, Seen],
        heads: Mapping[int, int],
        count: int,
        wanted: EntryFilter = ANY_ENTRY,
    ) -> Followed:
        """Up to `count` entries that fit and were committed behind `seen`, up to `heads`."""
        rows: list[EntryRow] = []
        reached = dict(seen)
        async with connection_of(self._pool) as connection:
            for partition, head in sorted(heads.items()):
                place = reached.get(partition, Seen(0, str(_LAST_ID)))
                if len(rows) >= count or (head <= place.version and place.entry_id == str(_LAST_ID)):
                    continue
                upto = min(head, place.version + _VERSIONS)
                found = await connection.fetch(
                    self._sql["entries_after"],
                    *(partition, place.version, UUID(place.entry_id), upto, count - len(rows)),
                    *(*_fit(wanted), tenant),
                )
                full = len(rows) + len(found) >= count
                rows += [entry_of(row) for row in found]
                last = Seen(found[-1]["version"], str(found[-1]["entry_id"])) if full else Seen(upto, str(_LAST_ID))
                reached[partition] = last
        return Followed(rows, reached)

    async def _days_of(self, connection: Connection, tenant: str | None, run: str) -> list[date] | None:
        """The local days that a run may have entries in; None where they are too many, or its calls are."""
        if tenant is None:
            found = await connection.fetch(self._sql["run_of_all"], run)
        else:
            found = await connection.fetch(self._sql["run_of_tenant"], run, tenant)
        if not found:
            return []
        if sum(row["calls"] for row in found) > _RUN_CALLS_MAX:
            return None
        first = min(row["first_ts"] for row in found).date() - timedelta(days=1)
        last = max(row["last_ts"] for row in found).date() + timedelta(days=1)
        days = (last - first).days + 1
        return None if days > _DAYS_MAX else [first + timedelta(days=number) for number in range(days)]


def _walk(tenant: str | None, wanted: EntryFilter) -> tuple[str, tuple[str | None, ...], int]:
    """Which statements walk the entries that may fit, whose they are told to read, and how many they look at."""
    if wanted.flags or wanted.corrects:
        return "flagged", (tenant,), _LOOKED_SCATTERED
    return ("of_all", (), _LOOKED) if tenant is None else ("of_tenant", (tenant,), _LOOKED_SCATTERED)


def _fit(wanted: EntryFilter) -> tuple[object, ...]:
    return (
        *(wanted.agent, wanted.model, wanted.provider, wanted.run, wanted.source),
        *(wanted.cost_nanos_min, wanted.flags, wanted.corrects),
    )
