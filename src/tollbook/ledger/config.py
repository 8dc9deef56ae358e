"""The config port over Postgres: every change raises the configuration's version in the same transaction."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import groupby

import asyncpg
import msgspec

from tollbook.domain.access import Principal, Role, StoredKey, StoredToken
from tollbook.domain.budget import DEFAULT_DAILY, Budget, shares_of
from tollbook.domain.meter import ScopeKind, Unit, WindowKind
from tollbook.domain.window import ZoneSpan
from tollbook.ledger.budgets import EVERYONE, BudgetChanges, listing_of, owners_of
from tollbook.ledger.pool import Connection, changing, connection_of
from tollbook.ledger.queries import Queries
from tollbook.ports.config import (
    BudgetChange,
    BudgetListing,
    BudgetRevision,
    BudgetsChanged,
    KeyListing,
    OwnersBudgets,
    ServerFacts,
    Snapshot,
    TokenListing,
)

_ENDED_MAX = 1_000
_SYSTEM = "tollbook"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class PostgresConfig:
    """Implements `ports.config.Config`. The caller owns the pool."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries

    async def version(self) -> int:
        """The configuration's version; it grows with every change."""
        async with connection_of(self._pool) as connection:
            facts = await connection.fetchrow(self._sql["ledger_facts"])
        return int(facts["config_version"])

    async def snapshot(self, budgets_after: int = 0) -> Snapshot:
        """Everything a receiver needs under one database snapshot, of budgets what changed after a version."""
        async with (
            connection_of(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            facts = await connection.fetchrow(self._sql["ledger_facts"])
            moved = await connection.fetch(self._sql["config_moved"])
            zones = await connection.fetch(self._sql["config_zones"])
            keys = await connection.fetch(self._sql["keys_live"])
            tokens = await connection.fetch(self._sql["tokens_live"])
            budgets = await connection.fetch(self._sql["budgets_since"], budgets_after)
        return Snapshot(
            version=facts["config_version"],
            partitions=facts["partitions"],
            moved={row["tenant"]: row["partition"] for row in moved},
            zones={
                tenant: tuple(ZoneSpan(row["first_day"], row["zone"]) for row in spans)
                for tenant, spans in groupby(zones, key=lambda row: row["tenant"])
            },
            keys=[
                StoredKey(
                    Principal(
                        row["key_id"], Role(row["role"]), row["tenant"], row["agent"], row["run"], row["expires_at"]
                    ),
                    row["secret_hash"],
                )
                for row in keys
            ],
            tokens=[StoredToken(row["token_id"], row["token_hash"], row["source"], row["tenant"]) for row in tokens],
            budgets=list(owners_of(budgets)),
        )

    async def budgets_since(self, version: int) -> list[OwnersBudgets]:
        """The budgets of each owner of whose some changed after a version, those without any left too; 0 for all."""
        async with connection_of(self._pool) as connection:
            return list(owners_of(await connection.fetch(self._sql["budgets_since"], version)))

    async def backfills(self) -> dict[int, int]:
        """By partition, the version that its counters must have reached before its budgets are trusted."""
        async with connection_of(self._pool) as connection:
            return {row["partition"]: row["backfilled"] for row in await connection.fetch(self._sql["backfills"])}

    async def budgets(
        self, owners: Sequence[str | None] | None = None, after: tuple[str, str] = ("", ""), count: int = 10_000
    ) -> list[BudgetListing]:
        """Budgets in force of some owners (None: of all) by (tenant or '', id), behind a key; everyone's come first."""
        asked = [owner or EVERYONE for owner in owners or ()]
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(self._sql["budgets_page"], owners is not None, asked, *after, count)
        return [listing_of(row) for row in found]

    async def budget(self, tenant: str | None, budget_id: str) -> BudgetListing | None:
        """One budget, or None where there is none of this id."""
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(self._sql["budgets_of"], [tenant or EVERYONE], [budget_id])
        return listing_of(found[0]) if found else None

    async def change_budgets(self, changes: Sequence[BudgetChange], by: str, now: datetime) -> BudgetsChanged:
        """Make changes in one transaction that also counts the meters they name anew; raises `BudgetClash`."""
        async with self._change(by) as (connection, version):
            partitions = await BudgetChanges(connection, self._sql, version, by).make(changes, now)
        return BudgetsChanged(version, partitions)

    async def budget_revisions(self, tenant: str | None, budget_id: str, count: int = 100) -> list[BudgetRevision]:
        """What became of a budget, newest first."""
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(self._sql["budget_changes"], tenant or EVERYONE, budget_id, count)
        return [
            BudgetRevision(version, None if terms is None else msgspec.json.decode(terms, type=Budget), *rest)
            for version, terms, *rest in found
        ]

    async def end_budgets(self, now: datetime) -> int:
        """Remove budgets whose end has come; how many."""
        async with connection_of(self._pool) as connection:
            ended = await connection.fetch(self._sql["budgets_ended"], now, _ENDED_MAX)
        if not ended:
            return 0
        changes = [BudgetChange(row["tenant"] or None, row["id"], None) for row in ended]
        await self.change_budgets(changes, _SYSTEM, now)
        return len(changes)

    async def set_limit(self, tenant: str | None, limit_nanos: int | None, by: str) -> int:
        """Set a daily limit, or remove a tenant's own (None); the version of the change."""
        known = None if limit_nanos is None else await self.budget(tenant, DEFAULT_DAILY)
        budget = None if limit_nanos is None else _daily(tenant, limit_nanos, known)
        change = BudgetChange(tenant, DEFAULT_DAILY, budget)
        # Nothing is counted anew for a tenant's day in dollars: no instant is needed.
        return (await self.change_budgets([change], by, _NEVER)).version

    async def server_facts(self) -> ServerFacts:
        """What the Postgres server says of itself; `synchronous_commit` is the server's, not the session's."""
        async with connection_of(self._pool) as connection:
            return ServerFacts(*await connection.fetchrow(self._sql["server_facts"]))

    async def mint_ledger_epoch(self, by: str) -> str:
        """Declare that the ledger was restored to an earlier state; the new ledger epoch."""
        async with self._change(by) as (connection, _):
            return str(await connection.fetchval(self._sql["ledger_epoch_mint"]))

    async def set_zone(self, tenant: str, spans: Sequence[ZoneSpan], by: str) -> int:
        """Replace a tenant's zone spans; the version of the change."""
        async with self._change(by) as (connection, version):
            await connection.execute(self._sql["zone_clear"], tenant, [span.first_day for span in spans])
            for span in spans:
                await connection.execute(self._sql["zone_insert"], tenant, span.first_day, span.zone)
        return version

    async def add_key(
        self, key: StoredKey, note: str, by: str, shares: Sequence[BudgetChange] = (), now: datetime | None = None
    ) -> BudgetsChanged:
        """Keep a key together with the budgets that are its shares; raises `BudgetClash`."""
        who = key.principal
        bounds = (key.parent, who.agent, who.run, who.expires_at)
        async with self._change(by) as (connection, version):
            await connection.execute(
                self._sql["key_insert"], who.key_id, key.secret_hash, who.role.value, who.tenant, note, *bounds
            )
            changes = BudgetChanges(connection, self._sql, version, f"key {key.parent or who.key_id}")
            partitions = await changes.make(shares, now or _NEVER) if shares else frozenset()
        return BudgetsChanged(version, partitions)

    async def revoke_key(self, key_id: str, now: datetime, by: str) -> BudgetsChanged | None:
        """Revoke a key, every key below it, and their shares; None where there is none in force."""
        async with self._change(by) as (connection, version):
            revoked = await connection.fetch(self._sql["key_revoke"], key_id)
            shares = [BudgetChange(row["tenant"], share, None) for row in revoked for share in shares_of(row["key_id"])]
            changes = BudgetChanges(connection, self._sql, version, f"key {key_id}")
            partitions = await changes.make(await changes.standing(shares), now) if shares else frozenset()
        return BudgetsChanged(version, partitions) if revoked else None

    async def key_line(self, key_id: str) -> list[KeyListing]:
        """A key and those above it, up to the one that no key made; none where it is not in force."""
        async with connection_of(self._pool) as connection:
            return [KeyListing(*row) for row in await connection.fetch(self._sql["key_line"], key_id)]

    async def list_keys(self) -> list[KeyListing]:
        """Every key ever made, newest first."""
        async with connection_of(self._pool) as connection:
            return [KeyListing(*row) for row in await connection.fetch(self._sql["keys_list"])]

    async def add_token(self, token: StoredToken, by: str) -> None:
        """Keep a webhook token."""
        async with self._change(by) as (connection, _):
            await connection.execute(
                self._sql["token_insert"], token.token_id, token.token_hash, token.source, token.tenant
            )

    async def revoke_token(self, token_id: str, by: str) -> bool:
        """Revoke a webhook token; False where there is none in force."""
        async with self._change(by) as (connection, _):
            return bool(await connection.execute(self._sql["token_revoke"], token_id) == "UPDATE 1")

    async def list_tokens(self) -> list[TokenListing]:
        """Every webhook token ever made, newest first."""
        async with connection_of(self._pool) as connection:
            return [TokenListing(*row) for row in await connection.fetch(self._sql["tokens_list"])]

    @asynccontextmanager
    async def _change(self, by: str) -> AsyncIterator[tuple[Connection, int]]:
        async with changing(self._pool, self._sql, by) as connection:
            yield connection, await connection.fetchval(self._sql["config_bump"])


def _daily(tenant: str | None, limit_nanos: int, known: BudgetListing | None) -> Budget:
    if known is not None:
        return msgspec.structs.replace(known.budget, limit=limit_nanos)
    return Budget(
        id=DEFAULT_DAILY,
        tenant=tenant,
        scope=ScopeKind.TENANT,
        window=WindowKind.DAY,
        unit=Unit.USD,
        limit=limit_nanos,
    )
