"""One ledger transaction: partition row first, then identities, entries and totals in key order, version + 1."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import asyncpg

from tollbook.domain.errors import LedgerRefused, invariant
from tollbook.domain.observation import UNOBSERVED
from tollbook.domain.record import MeterTotal, Touch
from tollbook.domain.rows import COLUMN_NAMES, COPY_HEADER, COPY_TRAILER, row_identity, row_standing, split_rows
from tollbook.domain.window import DayWindow
from tollbook.ledger.pool import Connection, connection_of, translated
from tollbook.ledger.queries import Queries
from tollbook.ports.ledger import Batch, Booked
from tollbook.ports.reprice import Repriced

WEEK_S = 7 * 86_400
_LOOKED_UP_BATCHES = 32
IDENTITY_KEPT = timedelta(days=77)
"""35 days of dedupe window, counted from the last receipt of an id minted up to a week before it, in whole weeks."""


def week_of(at: datetime) -> int:
    """The generation of an instant: weeks since 1970-01-01 UTC."""
    return int(at.timestamp()) // WEEK_S


def oldest_week(now: datetime) -> int:
    """The oldest generation in which an identity may stand."""
    return week_of(now - IDENTITY_KEPT)


class _Repeated(Exception):  # noqa: N818 - rolls a claim back, goes no further
    """An identity stands twice in one batch."""


class _Outcome(NamedTuple):
    totals: tuple[Touch, ...]
    new: int
    duplicates: int
    conflicts: tuple[bytes, ...]
    meters: tuple[MeterTotal, ...] = ()
    holds: tuple[tuple[str, str], ...] = ()
    entries: int = 0


class _Judged(NamedTuple):
    """Which observations are conflicts, and the holds that all of them name: none of those is open any more."""

    conflicts: tuple[bytes, ...]
    holds: tuple[tuple[str, str], ...]


class _Place(NamedTuple):
    """A transaction's place, and the scopes for which it has meters to add to."""

    partition: int
    version: int
    epoch: str
    scopes: list[str]


class Booking:
    """Books batches into one Postgres."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries
        self._looked_up_next = 0

    async def book(self, partition: int, batch: Batch, now: datetime) -> Booked:
        """Book a batch in one transaction, each identity once; raises `LedgerRefused` where a row is poison."""
        async with connection_of(self._pool) as connection, connection.transaction():
            place = await self._lock(connection, partition)
            outcomes = await self._book_rows(connection, place, batch.rows, now)
            return await self._close(connection, place, batch, outcomes, dead=0)

    async def book_with_poison(self, partition: int, batch: Batch, now: datetime) -> Booked:
        """Book a batch row by row where needed: halves that Postgres refuses are halved again down to the poison."""
        async with connection_of(self._pool) as connection, connection.transaction():
            place = await self._lock(connection, partition)
            outcomes: list[_Outcome] = []
            dead = 0
            waiting = [[row for rows in batch.rows for row in split_rows(rows)]]
            while waiting:
                rows = waiting.pop()
                try:
                    async with translated(), connection.transaction():
                        outcomes += await self._book_rows(connection, place, rows, now)
                        await connection.execute(self._sql["staging_clear"])
                except LedgerRefused as refusal:
                    if len(rows) > 1:
                        middle = len(rows) // 2
                        waiting += [rows[middle:], rows[:middle]]
                        continue
                    dead += 1
                    await self._bury(connection, place, "poison", str(refusal), rows[0])
            return await self._close(connection, place, batch, outcomes, dead=dead)

    async def reprice(self, partition: int, repriced: Sequence[Repriced], now: datetime) -> int:
        """Replace what still stands of some entries at other prices, in one transaction; how many were replaced."""
        columns = (
            [one.ts for one in repriced],
            [UUID(one.entry_id) for one in repriced],
            [one.cost_nanos for one in repriced],
            [one.price_id or 0 for one in repriced],
            [one.flags for one in repriced],
        )
        async with connection_of(self._pool) as connection, connection.transaction():
            place = await self._lock(connection, partition)
            staged = _count(await connection.execute(self._sql["reprice_stage"], *columns))
            if staged:
                outcome = await self._add_up(connection, place, now)
                # No hold ends by a new price.
                await self._close(connection, place, Batch([], [], [], 0), [outcome._replace(holds=())], dead=0)
        return staged // 2

    async def _lock(self, connection: Connection, partition: int) -> _Place:
        row = await connection.fetchrow(self._sql["partition_lock"], partition)
        invariant(row is not None, f"partition {partition} is not in the ledger")
        return _Place(partition, row["version"] + 1, str(row["ledger_epoch"]), row["meter_scopes"])

    async def _book_rows(
        self, connection: Connection, place: _Place, rows: Sequence[bytes], now: datetime
    ) -> list[_Outcome]:
        if not rows:
            return []
        staged = await _copy(connection, "staging", rows)
        seen = await connection.fetch(self._sql["group_note"], week_of(now))
        groups = [row["group_key"] for row in seen]
        left = staged - (_count(await connection.execute(self._sql["group_drop"])) if groups else 0)
        known = await connection.fetch(self._sql["staging_drop_known_untimed"], oldest_week(now), week_of(now))
        if not await self._claim_all(connection, left - len(known), now):
            known += await self._claim_new(connection, left - len(known), now)
        new = left - len(known)
        others = _rows_of(rows, {(row["entry_id"].bytes, row["fingerprint"]) for row in known if row["conflict"]})
        outcomes = [await self._add_up(connection, place, now)] if new else []
        conflicts = [row for row in others if row_standing(row) == UNOBSERVED]
        observations = [row for row in others if row_standing(row) != UNOBSERVED]
        if observations or groups:
            await connection.execute(self._sql["staging_clear"])
            if observations:
                found, holds = await self._judge(connection, observations, now)
                conflicts += found
                outcomes += [_Outcome((), 0, 0, (), (), holds), await self._add_up(connection, place, now)]
                await connection.execute(self._sql["staging_clear"])
            if groups:
                outcomes += await self._void(connection, place, groups, now)
        return [_Outcome((), new, staged - new, tuple(conflicts)), *outcomes]

    async def _add_up(self, connection: Connection, place: _Place, now: datetime) -> _Outcome:
        """Book what is staged, calls and corrections alike, and add it to the totals."""
        booked = _count(await connection.execute(self._sql["entry_insert"], place.partition, place.version))
        if not booked:
            return _Outcome((), 0, 0, ())
        totals = await connection.fetch(self._sql["daily_spend_add"], place.partition, place.version)
        await connection.execute(self._sql["rollup_hour_add"])
        await connection.execute(self._sql["run_total_add"])
        meters = await self._add_meters(connection, place, now)
        holds = await connection.fetch(self._sql["holds_named"])
        return _Outcome(touches_of(totals), 0, 0, (), meters, tuple(map(tuple, holds)), booked)

    async def _judge(self, connection: Connection, rows: Sequence[bytes], now: datetime) -> "_Judged":
        """Stage the corrections that observations of known calls ask for."""
        await _copy(connection, "observation", rows)
        found = await connection.fetch(self._sql["observation_judge"], oldest_week(now), week_of(now))
        holds = await connection.fetch(self._sql["holds_observed"])
        await connection.execute(self._sql["observation_clear"])
        conflicts = _rows_of(rows, {(row["entry_id"].bytes, row["fingerprint"]) for row in found})
        return _Judged(conflicts, tuple(map(tuple, holds)))

    async def _void(self, connection: Connection, place: _Place, groups: list[UUID], now: datetime) -> list[_Outcome]:
        """Take back the aggregates and metrics of groups that were seen nearer."""
        if not _count(await connection.execute(self._sql["group_void"], groups, oldest_week(now), week_of(now))):
            return []
        outcome = await self._add_up(connection, place, now)
        await connection.execute(self._sql["staging_clear"])
        return [outcome]

    async def _add_meters(self, connection: Connection, place: _Place, now: datetime) -> tuple[MeterTotal, ...]:
        if not place.scopes:
            return ()
        return meters_of(await connection.fetch(self._sql["meters_add"], place.partition, place.scopes, now))

    async def _claim_all(self, connection: Connection, staged: int, now: datetime) -> bool:
        """Claim every staged identity as if none were known: one descent of the index a row instead of three.

        False, with nothing claimed, where one is known or stands twice; the next batches are then looked up first,
        since repeats come in runs and each failed claim leaves dead rows behind.
        """
        if self._looked_up_next > 0:
            self._looked_up_next -= 1
            return False
        try:
            async with connection.transaction():
                status = await connection.execute(self._sql["identity_claim"], week_of(now))
                if _count(status) != staged:
                    raise _Repeated
        except (asyncpg.UniqueViolationError, _Repeated):
            self._looked_up_next = _LOOKED_UP_BATCHES
            return False
        return True

    async def _claim_new(self, connection: Connection, staged: int, now: datetime) -> list[asyncpg.Record]:
        """Claim what is new and take the rest out of staging: what is known, and what stands twice."""
        known: list[asyncpg.Record] = await connection.fetch(self._sql["staging_drop_known_timed"])
        status = await connection.execute(self._sql["identity_insert"], week_of(now))
        repeats = staged - len(known) - _count(status)
        if repeats:
            dropped = await connection.fetch(self._sql["staging_drop_repeats"])
            invariant(len(dropped) == repeats, "identities claimed and rows kept differ")
            known += dropped
        return known

    async def _close(
        self,
        connection: Connection,
        place: _Place,
        batch: Batch,
        outcomes: list[_Outcome],
        *,
        dead: int,
    ) -> Booked:
        if batch.inbox_ids:
            await connection.execute(self._sql["inbox_take"], list(batch.inbox_ids))
        conflicts = [row for outcome in outcomes for row in outcome.conflicts]
        for row in conflicts:
            await self._bury(connection, place, "conflict", "same identity, other content", row)
        meters = {(total.tenant, total.meter): total for outcome in outcomes for total in outcome.meters}
        holds = tuple(dict.fromkeys(hold for outcome in outcomes for hold in outcome.holds))
        totals = {touch.key: touch for outcome in outcomes for touch in outcome.totals}
        new = sum(outcome.new for outcome in outcomes)
        duplicates = sum(outcome.duplicates for outcome in outcomes)
        status = await connection.execute(
            self._sql["batch_close"],
            place.partition,
            place.version,
            [UUID(bytes=nonce) for nonce in batch.nonces],
            [tenant for tenant, _ in totals],
            [day for _, day in totals],
            new,
            duplicates,
            [tenant for tenant, _ in meters],
            [meter for _, meter in meters],
            [tenant for tenant, _ in holds],
            [hold for _, hold in holds],
        )
        invariant(status == "INSERT 0 1", "the version moved under the partition lock")
        return Booked(
            place.epoch,
            place.version,
            tuple(totals.values()),
            new,
            duplicates,
            len(conflicts),
            dead,
            tuple(meters.values()),
            holds,
            # Whatever was booked and is no new call corrects one.
            sum(outcome.entries for outcome in outcomes) - new,
        )

    async def _bury(self, connection: Connection, place: _Place, code: str, detail: str, row: bytes) -> None:
        await connection.execute(self._sql["dead_letter_insert"], place.partition, place.version, code, detail, row)


async def _copy(connection: Connection, table: str, rows: Sequence[bytes]) -> int:
    return _count(
        await connection.copy_to_table(table, source=_copy_input(rows), format="binary", columns=COLUMN_NAMES)
    )


def _count(status: str) -> int:
    """How many rows a statement's status tells of."""
    return int(status.rpartition(" ")[2])


async def _copy_input(rows: Sequence[bytes]) -> AsyncIterator[bytes]:
    yield COPY_HEADER
    for run in rows:
        yield run
    yield COPY_TRAILER


def _rows_of(rows: Sequence[bytes], wanted: set[tuple[bytes, int]]) -> tuple[bytes, ...]:
    if not wanted:
        return ()
    return tuple(row for run in rows for row in split_rows(run) if row_identity(row) in wanted)


def touches_of(totals: Sequence[asyncpg.Record]) -> tuple[Touch, ...]:
    """Rows of tenant_id, day, cost_nanos, window_start, window_end as totals."""
    return tuple(_touches(totals))


def _touches(totals: Sequence[asyncpg.Record]) -> Iterator[Touch]:
    for tenant, day, nanos, start, end in totals:
        yield Touch(tenant, DayWindow(day, start, end), nanos)


def meters_of(totals: Sequence[asyncpg.Record]) -> tuple[MeterTotal, ...]:
    """Rows of tenant, meter, total, until_ms as totals."""
    return tuple(MeterTotal(*row) for row in totals)
