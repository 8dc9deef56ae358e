"""Judges the books of a system at rest against what its senders say, with SQL and Valkey commands of its own."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime

import asyncpg
import redis

from tests.fault.senders import Sent, Tally
from tests.kept_day import KeptDay

SHOWN_MAX = 8
_DEFAULT_LIMIT_NANOS = 50 * 10**9
_INSTANCE = re.compile(r"#[^/]*")

_ENTRIES = """
SELECT
    tenant, event_id, ts, day, cost_nanos, price_id, agent, model, run, input, output, cache_read, reasoning
FROM entry
"""
_DAILY = "SELECT tenant_id, day, cost_nanos, cents, calls, input, output, unpriced_nanos FROM daily_spend"
_HOURLY = """
SELECT tenant, day, hour, agent, model, calls, cost_nanos, unpriced_nanos, input, output, cache_read, reasoning
FROM rollup_hour
"""
_RUNS = """
SELECT tenant, run, agent, model, calls, cost_nanos, unpriced_nanos, input, output, cache_read, reasoning
FROM run_total
"""


class Auditor:
    """Collects every difference as one line of text."""

    def __init__(self, postgres_url: str, valkey_url: str, limits: dict[str, int] | None = None) -> None:
        self._postgres_url = postgres_url
        self._valkey_url = valkey_url
        self._limits = limits or {}
        self.differences: list[str] = []
        self.entries = 0
        self.daily: dict[tuple[str, date], tuple[int, ...]] = {}
        self._sums: dict[str, dict[tuple[object, ...], Counter[str]]] = {"daily": {}, "hour": {}, "run": {}}

    async def audit(self, tally: Tally, *, lost_allowed: bool = False) -> set[tuple[str, str]]:
        """Compare everything; the acknowledged events that are missing, themselves no difference if `lost_allowed`."""
        connection = await asyncpg.connect(self._postgres_url)
        try:
            missing = await self._audit_entries(connection, tally, lost_allowed=lost_allowed)
            await self._audit_totals(connection)
            await self._audit_rest(connection)
            self._audit_counters(dict(await connection.fetch("SELECT partition, version FROM partition")))
        finally:
            await connection.close()
        return missing

    async def _audit_entries(
        self, connection: asyncpg.Connection, tally: Tally, *, lost_allowed: bool
    ) -> set[tuple[str, str]]:
        seen: Counter[tuple[str, str]] = Counter()
        wrong: list[str] = []
        async with connection.transaction():
            async for entry in connection.cursor(_ENTRIES, prefetch=2_000):
                key = (entry["tenant"], entry["event_id"])
                seen[key] += 1
                wrong += _entry_faults(entry, tally.sent.get(key))
                self._count(entry)
        self.entries = seen.total()
        self._differ("entry", wrong)
        self._differ("booked more than once", [f"{key} {n} times" for key, n in seen.items() if n > 1])
        missing = tally.acked.keys() - seen.keys()
        if not lost_allowed:
            self._differ("acknowledged and not booked", sorted(map(str, missing)))
        return missing

    def _count(self, entry: asyncpg.Record) -> None:
        roles = _INSTANCE.sub("", entry["agent"])
        hour = entry["ts"].replace(minute=0, second=0, microsecond=0)
        places = [
            ("daily", (entry["tenant"], entry["day"])),
            ("hour", (entry["tenant"], entry["day"], hour, roles, entry["model"])),
        ]
        if entry["run"] is not None:
            places.append(("run", (entry["tenant"], entry["run"], entry["agent"], entry["model"])))
        for table, key in places:
            sums = self._sums[table].setdefault(key, Counter())
            sums["calls"] += 1
            for figure in ("cost_nanos", "input", "output", "cache_read", "reasoning"):
                sums[figure] += entry[figure]
            if entry["price_id"] is None:
                sums["unpriced_nanos"] += entry["cost_nanos"]

    async def _audit_totals(self, connection: asyncpg.Connection) -> None:
        for table, query, key_columns in (("daily", _DAILY, 2), ("hour", _HOURLY, 5), ("run", _RUNS, 4)):
            rows = await connection.fetch(query)
            kept = {tuple(row)[:key_columns]: dict(list(row.items())[key_columns:]) for row in rows}
            wrong = []
            for key in kept.keys() | self._sums[table].keys():
                sums, row = self._sums[table].get(key, Counter()), kept.get(key, {})
                figures = {name: sums[name] for name in row if name != "cents"}
                if not row or figures != {name: value for name, value in row.items() if name != "cents"}:
                    wrong.append(f"{key}: entries say {dict(sums)}, the table {row}")
                if "cents" in row and row["cents"] != (row["cost_nanos"] + 5_000_000) // 10_000_000:
                    wrong.append(f"{key}: cents {row['cents']} of {row['cost_nanos']} nanos")
            self._differ(f"{table} totals", wrong)
            if table == "daily":
                self.daily = {key: (row["cost_nanos"], row["cents"]) for key, row in kept.items()}

    async def _audit_rest(self, connection: asyncpg.Connection) -> None:
        dead = await connection.fetch("SELECT code, detail, count(*) FROM dead_letter GROUP BY code, detail")
        self._differ("dead letters", [str(tuple(row)) for row in dead])
        waiting = await connection.fetchval("SELECT count(*) FROM inbox")
        self._differ("inbox", [f"{waiting} records"] if waiting else [])
        identities = await connection.fetchval("SELECT count(*) FROM identity")
        if identities != self.entries:
            self._differ("identities", [f"{identities}, but {self.entries} entries"])

    def _audit_counters(self, versions: dict[int, int]) -> None:
        wrong: list[str] = []
        with redis.Redis.from_url(self._valkey_url, decode_responses=True) as valkey:
            settled: dict[tuple[str, date], int] = {}
            for partition, version in versions.items():
                wrong += _partition_faults(valkey, partition, version)
            for name in valkey.scan_iter(match="tollbook:{*}:d:*", count=1_000):
                day = date.fromisoformat(name.rpartition(":")[2])
                for tenant, text in valkey.hgetall(name).items():
                    kept = KeptDay.of(text)
                    settled[tenant, day] = kept.settled or 0
                    if kept.pending:
                        wrong.append(f"{name} of {tenant} is {text}")
            for name in valkey.scan_iter(match="tollbook:{*}:t:*", count=1_000):
                held = {field: value for field, value in valkey.hgetall(name).items() if field.endswith(":h")}
                wrong += [f"{name} {field} is {value}" for field, value in held.items() if int(value)]
            for key in settled.keys() | self.daily.keys():
                total = self.daily.get(key, (0,))[0]
                if settled.get(key, 0) != total:
                    wrong.append(f"settled of {key} is {settled.get(key)}, daily_spend {total}")
            wrong += self._derived_faults(valkey)
        self._differ("counters", wrong)

    def _derived_faults(self, valkey: redis.Redis) -> Iterator[str]:
        shown = {name: valkey.get(name) for name in valkey.scan_iter(match="spend:*", count=1_000)}
        expected = {f"spend:{tenant}:{day}": str(figures[1]) for (tenant, day), figures in self.daily.items()}
        for name in shown.keys() | expected.keys():
            if shown.get(name) != expected.get(name):
                yield f"{name} is {shown.get(name)}, daily_spend says {expected.get(name)}"
        flags = {name.partition(":")[2] for name in valkey.scan_iter(match="throttled:*", count=1_000)}
        today = datetime.now(UTC).date()
        over = {
            tenant
            for (tenant, day), figures in self.daily.items()
            if day == today and figures[0] >= self._limits.get(tenant, _DEFAULT_LIMIT_NANOS)
        }
        if flags != over:
            yield f"throttled {sorted(flags)}, over their limit {sorted(over)}"

    def _differ(self, what: str, lines: list[str]) -> None:
        self.differences += [f"{what}: {line}" for line in lines[:SHOWN_MAX]]
        if len(lines) > SHOWN_MAX:
            self.differences.append(f"{what}: … {len(lines) - SHOWN_MAX} more")


def _entry_faults(entry: asyncpg.Record, sent: Sent | None) -> Iterator[str]:
    name = f"({entry['tenant']}, {entry['event_id']})"
    if sent is None:
        yield f"{name} was never sent"
        return
    for field in ("cost_nanos", "agent", "model", "run", "input", "output", "cache_read"):
        if entry[field] != getattr(sent, field):
            yield f"{name} {field} is {entry[field]}, sent as {getattr(sent, field)}"
    if sent.ts is not None and entry["ts"] != datetime.fromisoformat(sent.ts):
        yield f"{name} ts is {entry['ts']}, sent as {sent.ts}"
    if entry["day"] != entry["ts"].astimezone(UTC).date():
        yield f"{name} stands on {entry['day']}, its ts is {entry['ts']}"


def _partition_faults(valkey: redis.Redis, partition: int, version: int) -> Iterator[str]:
    place = f"tollbook:{{{partition}}}"
    if not valkey.exists(f"{place}:epoch"):
        yield f"partition {partition} has incomplete counters"
    if valkey.xlen(f"{place}:journal"):
        yield f"partition {partition} has {valkey.xlen(f'{place}:journal')} records in its journal"
    fence = int(valkey.hget(f"{place}:state", "fence") or 0)
    if fence != version:
        yield f"partition {partition} is set to version {fence}, the ledger is at {version}"


class Rest:
    """Whether a system has come to rest: nothing waits anywhere, and the counters are set to the ledger's version."""

    def __init__(self, postgres_url: str, valkey_url: str) -> None:
        self._postgres_url = postgres_url
        self._valkey_url = valkey_url
        self.waiting = "nothing was asked yet"

    async def reached(self) -> bool:
        """Ask once; `waiting` says what is still to do."""
        try:
            connection = await asyncpg.connect(self._postgres_url, timeout=5)
            try:
                inbox = await connection.fetchval("SELECT count(*) FROM inbox")
                versions = dict(await connection.fetch("SELECT partition, version FROM partition"))
            finally:
                await connection.close()
            with redis.Redis.from_url(self._valkey_url, decode_responses=True, socket_timeout=5) as valkey:
                faults = [fault for place in versions.items() for fault in _partition_faults(valkey, *place)]
        except (OSError, asyncpg.PostgresError, redis.RedisError) as error:
            faults, inbox = [repr(error)], 0
        self.waiting = "; ".join([*faults, *([f"{inbox} records in the inbox"] if inbox else [])])
        return not self.waiting
