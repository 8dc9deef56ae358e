"""One transaction of a partition's raiser."""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Self
from uuid import UUID

import asyncpg
import msgspec

from tollbook.domain.alert import Alert, Facts, Throttle
from tollbook.domain.budget import EACH, Budget
from tollbook.domain.errors import invariant
from tollbook.domain.meter import ScopeKind
from tollbook.domain.meter_parts import MeterParts
from tollbook.ledger.budgets import EVERYONE, budget_of
from tollbook.ledger.pool import Connection
from tollbook.ledger.queries import Queries
from tollbook.ports.alerts import Differing, Named, Raised, Total

_PAGE_ROWS = 500


def facts_text(facts: Facts) -> str:
    """Facts as the database takes them."""
    return msgspec.json.encode(facts).decode()


class PostgresTurn:
    """Implements `ports.alerts.Turn` on a connection with a transaction open."""

    def __init__(self, connection: Connection, queries: Queries, partition: int, standing: asyncpg.Record) -> None:
        self._connection = connection
        self._sql = queries
        self._partition = partition
        self._standing = standing
        self._owners: list[str] = []
        self._everyone = False

    @classmethod
    async def begin(cls, connection: Connection, queries: Queries, partition: int) -> Self:
        """Take the partition's turn: another raiser of it waits until this transaction ends."""
        standing = await connection.fetchrow(queries["alert_cursor_lock"], partition)
        if standing is None:
            await connection.execute(queries["alert_cursor_begin"], partition)
            standing = await connection.fetchrow(queries["alert_cursor_lock"], partition)
        invariant(standing is not None, f"partition {partition} is not in the ledger")
        turn = cls(connection, queries, partition, standing)
        if standing["known_config"] != standing["config_version"]:
            rows = await connection.fetch(queries["alert_budget_owners"], standing["known_config"] or 0)
            turn._owners = [row["tenant"] for row in rows]
            turn._everyone = EVERYONE in turn._owners
        return turn

    async def end(self) -> None:
        """Move the cursor to where the ledger stood when the turn began."""
        standing = self._standing
        to = (standing["ledger_epoch"], standing["version"], standing["config_version"])
        await self._connection.execute(self._sql["alert_cursor_move"], self._partition, *to)

    async def totals(
        self, closed_after: datetime, now: datetime, near_per_mille: int
    ) -> AsyncIterator[Sequence[Total]]:
        """Pages of the totals that changed, or whose budgets did; all open ones where that is not known.

        Days in dollars below that share of their limit and below their thresholds are left out where nothing else
        speaks for them.
        """
        standing = self._standing
        if standing["known_version"] is None:
            # Of what rang before anybody looked, only what still matters rings now.
            closed_after = now
        elif (
            standing["known_epoch"] == standing["ledger_epoch"]
            and standing["known_version"] >= standing["oldest"] - 1
            and not self._everyone
        ):
            async for page in self._changed(closed_after, near_per_mille):
                yield page
            return
        async for page in self._open("alert_totals_open", "day", closed_after, ("", date.min)):
            yield page
        async for page in self._open("alert_meters_open", "meter", closed_after, ("", "")):
            yield page

    async def _open(
        self, name: str, column: str, closed_after: datetime, last: tuple[str, object]
    ) -> AsyncIterator[Sequence[Total]]:
        while True:
            rows = await self._fetch(name, self._partition, closed_after, *last, _PAGE_ROWS)
            if rows:
                yield _totals(rows)
            if len(rows) < _PAGE_ROWS:
                return
            last = (rows[-1]["tenant"], rows[-1][column])

    async def _changed(self, closed_after: datetime, near_per_mille: int) -> AsyncIterator[Sequence[Total]]:
        known_version = self._standing["known_version"]
        rows = await self._fetch("alert_totals_changed", self._partition, known_version, near_per_mille)
        changed = _totals(rows)
        for start in range(0, len(changed), _PAGE_ROWS):
            yield changed[start : start + _PAGE_ROWS]
        if self._owners:
            seen = {total[:2] for total in changed}
            known = self._standing["known_config"]
            rows = await self._fetch("alert_totals_of", self._partition, self._owners, closed_after, known)
            more = [total for total in _totals(rows) if total[:2] not in seen]
            if more:
                yield more

    async def throttles(self, totals: Collection[Total]) -> dict[tuple[str, str], Throttle]:
        """The throttle states of some meters, by (tenant, meter)."""
        tenants, meters = [total.tenant for total in totals], [total.meter for total in totals]
        rows = await self._fetch("alert_throttles_of", tenants, meters)
        return {(row["tenant"], row["meter"]): _throttle(row) for row in rows}

    async def ending(self, now: datetime) -> list[tuple[Throttle, Total]]:
        """Engaged throttles to look at whatever changed: their time has come, or their owner's budgets changed."""
        rows = await self._fetch("alert_throttles_ending", self._partition, now, self._owners, self._everyone)
        return [(_throttle(row), Total(row["tenant"], row["meter"], row["total"])) for row in rows]

    async def budgets(self, named: Sequence[Named], now: datetime) -> list[Budget | None]:
        """The budget in force of each meter, or None."""
        asked = columns_of(
            (
                (
                    name.tenant,
                    name.parts.scope.value,
                    name.parts.value,
                    _each(name.parts),
                    name.parts.kind.value,
                    name.parts.unit.value,
                )
                for name in named
            ),
            6,
        )
        found = {row["place"]: budget_of(row) for row in await self._fetch("alert_budgets", *asked, now)}
        return [found.get(place) for place in range(1, len(named) + 1)]

    async def unpriced_models(self, days: Collection[tuple[str, date]]) -> list[tuple[str, date, str]]:
        """(tenant, day, model) of what was booked without a price in those days."""
        tenants, dates = [tenant for tenant, _ in days], [day for _, day in days]
        rows = await self._fetch("alert_unpriced_models", tenants, dates)
        return [(row["tenant"], row["day"], row["model"]) for row in rows]

    async def differing(self, since: datetime) -> list[Differing]:
        """What was booked since the last turn at another cost than its sender named, of calls since an instant."""
        standing = self._standing
        same = standing["known_epoch"] == standing["ledger_epoch"]
        after = (standing["known_version"] or 0) if same else 0
        return [Differing(*row) for row in await self._fetch("alert_differing", self._partition, after, since)]

    async def marks(self, crossings: Collection[bytes]) -> dict[bytes, int]:
        """The highest mark of each crossing that has an alert."""
        rows = await self._fetch("alert_marks", [UUID(bytes=crossing) for crossing in crossings])
        return {row["crossing"].bytes: row["mark"] for row in rows}

    async def keep_throttles(self, throttles: Collection[Throttle], now: datetime) -> None:
        """Keep states."""
        columns = columns_of(
            (
                (each.tenant, each.meter, each.engaged, each.changes, each.budget_id, each.limit, each.ends_at)
                for each in throttles
            ),
            7,
        )
        await self._connection.execute(self._sql["alert_throttles_keep"], self._partition, now, *columns)

    async def insert(self, alerts: Sequence[Alert], now: datetime) -> list[Raised]:
        """Keep alerts that are not there yet, with a delivery for each hook that wants them."""
        return await kept(self._connection, self._sql["alert_insert"], alerts, now)

    async def _fetch(self, name: str, *args: object) -> list[asyncpg.Record]:
        return list(await self._connection.fetch(self._sql[name], *args))


async def kept(connection: Connection, statement: str, alerts: Sequence[Alert], now: datetime) -> list[Raised]:
    """Keep alerts by a statement; those that are new."""
    columns = columns_of(
        (
            (
                alert.kind.value,
                alert.tenant,
                UUID(bytes=alert.crossing),
                alert.mark,
                alert.text,
                facts_text(alert.facts),
            )
            for alert in alerts
        ),
        6,
    )
    rows = await connection.fetch(statement, *columns, now)
    by_key = {(row["crossing"].bytes, row["mark"]): row for row in rows}
    found = [(alert, by_key.get((alert.crossing, alert.mark))) for alert in alerts]
    return [Raised(str(row["alert_id"]), alert, row["deliveries"]) for alert, row in found if row is not None]


def columns_of(rows: Iterable[tuple[object, ...]], count: int) -> list[list[object]]:
    """Rows turned into the arrays that `unnest` takes."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(count)]


def _totals(rows: Sequence[asyncpg.Record]) -> list[Total]:
    return [Total(row["tenant"], row["meter"], row["total"], row["unpriced_nanos"]) for row in rows]


def _throttle(row: asyncpg.Record) -> Throttle:
    return Throttle(
        row["tenant"],
        row["meter"],
        row["engaged"],
        row["changes"],
        row["budget_id"],
        row["limit_amount"],
        row["ends_at"],
    )


def _each(parts: MeterParts) -> str:
    """What a budget for each value of the scope has as its match."""
    return f"{parts.value.partition('=')[0]}={EACH}" if parts.scope is ScopeKind.TAG else EACH
