"""What is booked by UTC day and model, for whoever lays a provider's report beside it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import asyncpg

from tollbook.ledger.pool import connection_of
from tollbook.ledger.queries import Queries
from tollbook.ports.reconcile import Booked

_TIMEOUT_S = 600.0


class PostgresBookings:
    """Implements `ports.reconcile.Bookings`. The caller owns the pool."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries

    async def booked(self, first_day: date, last_day: date, tenant: str | None) -> Sequence[Booked]:
        """Sums of some UTC days, both included, of one tenant or of all."""
        since = datetime.combine(first_day, time.min, tzinfo=UTC)
        until = datetime.combine(last_day, time.min, tzinfo=UTC) + timedelta(days=1)
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(self._sql["reconcile_booked"], since, until, tenant, timeout=_TIMEOUT_S)
        return [Booked(*row) for row in found]
