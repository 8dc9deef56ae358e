"""Alerts, hooks and deliveries in the ledger's database."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import msgspec

from tollbook.domain.alert import Alert, Facts
from tollbook.ledger.alert_turn import PostgresTurn, facts_text, kept
from tollbook.ledger.pool import changing, connection_of
from tollbook.ledger.queries import Queries
from tollbook.ports.alerts import AlertRow, Answer, Claimed, Delivery, DeliveryState, Hook, Place, Raised

_EVERYONE = ""
_NEWEST = Place(datetime(9999, 12, 31, tzinfo=UTC), str(UUID(int=(1 << 128) - 1)))
_PRUNED_MAX = 10_000


class PostgresAlerts:
    """Implements `ports.alerts.AlertStore`. The caller owns the pool."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries

    async def waits(self, partition: int, now: datetime) -> bool:
        """Whether a turn would find anything to look at."""
        return bool(await self._value("alert_waits", partition, now))

    @asynccontextmanager
    async def turn(self, partition: int) -> AsyncIterator[PostgresTurn]:
        """A raiser's transaction: what it kept and where it stood are committed together."""
        async with connection_of(self._pool) as connection, connection.transaction():
            turn = await PostgresTurn.begin(connection, self._sql, partition)
            yield turn
            await turn.end()

    async def claim(
        self, now: datetime, until: datetime, *, busy: Collection[str], per_hook: int, count: int
    ) -> list[Claimed]:
        """Claim due deliveries, at most so many a hook and none of busy hooks; they are due again at `until`."""
        return [_claimed(row) for row in await self._rows("alert_claim", now, until, list(busy), per_hook, count)]

    async def claim_one(self, alert_id: str, hook_id: str, until: datetime) -> Claimed | None:
        """Claim one delivery whether or not it is due; None where it is not pending."""
        rows = await self._rows("alert_claim_one", UUID(alert_id), hook_id, until)
        return _claimed(rows[0]) if rows else None

    async def delivered(self, claimed: Claimed, status: int, now: datetime) -> bool:
        """Mark as delivered; False where the claim was lost."""
        return await self._mark(claimed, DeliveryState.DELIVERED, Answer(status, ""), now, now)

    async def postponed(self, claimed: Claimed, answer: Answer, now: datetime, next_at: datetime) -> bool:
        """Try again later; False where the claim was lost."""
        return await self._mark(claimed, DeliveryState.PENDING, answer, now, next_at)

    async def died(self, claimed: Claimed, answer: Answer, now: datetime) -> bool:
        """Give up; False where the claim was lost."""
        return await self._mark(claimed, DeliveryState.DEAD, answer, now, now)

    async def disable(self, hook_id: str, why: str, now: datetime) -> None:
        """Send a hook nothing any more; what waits for it is dead."""
        async with connection_of(self._pool) as connection, connection.transaction():
            await connection.execute(self._sql["alert_hook_disable"], hook_id, why)
            await connection.execute(self._sql["alert_hook_bury"], hook_id, why, now)

    async def add_hook(self, hook: Hook, secret: str) -> None:
        """Keep a hook."""
        whose, kinds = hook.tenant or _EVERYONE, list(hook.kinds)
        kept = (hook.hook_id, whose, hook.url, secret, kinds, hook.created_at, hook.created_by)
        await self._execute("alert_hook_insert", *kept)

    async def hooks(self) -> list[Hook]:
        """Every hook, newest first."""
        return [
            Hook(
                row["hook_id"],
                row["tenant"] or None,
                row["url"],
                tuple(row["kinds"]),
                row["created_at"],
                row["created_by"],
                row["disabled"],
            )
            for row in await self._rows("alert_hooks_list")
        ]

    async def remove_hook(self, hook_id: str, by: str) -> bool:
        """Forget a hook and its deliveries; False where there is none."""
        async with changing(self._pool, self._sql, by) as connection:
            return bool(await connection.execute(self._sql["alert_hook_remove"], hook_id) == "DELETE 1")

    async def ring(self, alert: Alert, now: datetime) -> Raised | None:
        """Keep one alert outside any turn, for every hook that wants it; None where it has rung already."""
        async with connection_of(self._pool) as connection, connection.transaction():
            raised = await kept(connection, self._sql["alert_insert"], [alert], now)
        return raised[0] if raised else None

    async def insert_test(self, hook_id: str, alert: Alert, now: datetime, *, due_at: datetime) -> str | None:
        """Keep an alert for one hook only, to be sent at an instant; its id, or None without such a hook in use."""
        kept = (alert.kind.value, UUID(bytes=alert.crossing), alert.mark, alert.text, facts_text(alert.facts), now)
        found = await self._value("alert_insert_test", hook_id, *kept, due_at)
        return None if found is None else str(found)

    async def alerts(self, tenant: str | None, before: Place | None, count: int) -> list[AlertRow]:
        """Up to `count` alerts, newest first, behind a place."""
        raised_at, alert_id = before or _NEWEST
        place = (raised_at, UUID(alert_id), count)
        async with connection_of(self._pool) as connection:
            if tenant is None:
                found = await connection.fetch(self._sql["alerts_of_all"], *place)
            else:
                found = await connection.fetch(self._sql["alerts_of_tenant"], *place, tenant)
            ids = [row["alert_id"] for row in found]
            rows = await connection.fetch(self._sql["alert_deliveries_of"], ids)
        deliveries: dict[UUID, list[Delivery]] = {alert_id: [] for alert_id in ids}
        for row in rows:
            whose, hook_id, state, *rest = row
            deliveries[whose].append(Delivery(hook_id, DeliveryState(state), *rest))
        return [AlertRow(str(row["alert_id"]), *_told(row), tuple(deliveries[row["alert_id"]])) for row in found]

    async def prune(self, before: datetime) -> int:
        """Forget some alerts raised before an instant, with what belongs to them; how many."""
        await self._execute("alert_throttles_prune", before)
        status = await self._execute("alerts_prune", before, _PRUNED_MAX)
        return int(status.rpartition(" ")[2])

    async def _mark(
        self, claimed: Claimed, state: DeliveryState, answer: Answer, now: datetime, next_at: datetime
    ) -> bool:
        place = (UUID(claimed.alert_id), claimed.hook_id, claimed.attempts)
        status = await self._execute("alert_mark", *place, state.value, answer.status, answer.detail, now, next_at)
        return status == "UPDATE 1"

    async def _rows(self, name: str, *args: object) -> list[asyncpg.Record]:
        async with connection_of(self._pool) as connection:
            return list(await connection.fetch(self._sql[name], *args))

    async def _value(self, name: str, *args: object) -> object:
        async with connection_of(self._pool) as connection:
            return await connection.fetchval(self._sql[name], *args)

    async def _execute(self, name: str, *args: object) -> str:
        async with connection_of(self._pool) as connection:
            return str(await connection.execute(self._sql[name], *args))


def _facts(row: asyncpg.Record) -> Facts:
    # asyncpg hands jsonb over as text.
    return msgspec.json.decode(row["facts"], type=dict[str, object])


def _told(row: asyncpg.Record) -> tuple[datetime, str, str, str, Facts]:
    return (row["raised_at"], row["kind"], row["tenant"], row["text"], _facts(row))


def _claimed(row: asyncpg.Record) -> Claimed:
    return Claimed(
        str(row["alert_id"]),
        row["hook_id"],
        row["attempts"],
        row["url"],
        row["secret"],
        row["kind"],
        row["raised_at"],
        row["text"],
        _facts(row),
    )
