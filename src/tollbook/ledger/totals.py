"""The totals port over Postgres."""

from collections.abc import Collection
from datetime import date

import asyncpg

from tollbook.domain.errors import invariant
from tollbook.ledger.pool import connection_of
from tollbook.ledger.queries import Queries
from tollbook.ports.totals import MeterTotals


class PostgresTotals:
    """Implements `ports.totals.Totals`. The caller owns the pool."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries

    async def meter_totals(self, partition: int, tenant: str, meters: Collection[str]) -> MeterTotals:
        """Totals of some meters of a tenant of the partition, its days included, under one snapshot."""
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(self._sql["totals_of_meters"], partition, tenant, list(meters))
        invariant(len(found) > 0, f"the ledger has no partition {partition}")
        totals = {row["meter"]: row["total"] for row in found if row["meter"] is not None}
        return MeterTotals(str(found[0]["ledger_epoch"]), found[0]["version"], totals)

    async def mean_output(self, tenant: str, agent: str, model: str, since: date) -> int | None:
        """The mean output of an agent's calls on a model since a local day, rounded up."""
        async with connection_of(self._pool) as connection:
            mean = await connection.fetchval(self._sql["mean_output"], tenant, since, agent, model)
        return None if mean is None else int(mean)
