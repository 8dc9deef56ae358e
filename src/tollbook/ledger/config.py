"""The config port over Postgres: every change raises the configuration's version in the same transaction."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import groupby

import asyncpg

from tollbook.domain.access import Principal, Role, StoredKey, StoredToken
from tollbook.domain.window import ZoneSpan
from tollbook.ledger.pool import Connection, connection_of
from tollbook.ledger.queries import Queries
from tollbook.ports.config import BudgetListing, KeyListing, PriceCard, Snapshot, TokenListing
from tollbook.ports.journal import Limit

_EVERYONE = ""


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

    async def snapshot(self) -> Snapshot:
        """Everything a receiver needs, under one database snapshot."""
        async with (
            connection_of(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            facts = await connection.fetchrow(self._sql["ledger_facts"])
            moved = await connection.fetch(self._sql["config_moved"])
            zones = await connection.fetch(self._sql["config_zones"])
            keys = await connection.fetch(self._sql["keys_live"])
            tokens = await connection.fetch(self._sql["tokens_live"])
        return Snapshot(
            version=facts["config_version"],
            partitions=facts["partitions"],
            moved={row["tenant"]: row["partition"] for row in moved},
            zones={
                tenant: tuple(ZoneSpan(row["first_day"], row["zone"]) for row in spans)
                for tenant, spans in groupby(zones, key=lambda row: row["tenant"])
            },
            keys=[
                StoredKey(Principal(row["key_id"], Role(row["role"]), row["tenant"]), row["secret_hash"])
                for row in keys
            ],
            tokens=[StoredToken(row["token_id"], row["token_hash"], row["source"], row["tenant"]) for row in tokens],
        )

    async def limits_since(self, version: int) -> list[Limit]:
        """The limits that changed after a version, removals among them; 0 for all."""
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(self._sql["limits_since"], version)
        return [Limit(tenant or None, nanos, changed) for tenant, nanos, changed in found]

    async def budgets(self) -> list[BudgetListing]:
        """Every limit in force."""
        async with connection_of(self._pool) as connection:
            found = await connection.fetch(self._sql["budgets_list"])
        return [BudgetListing(tenant or None, *rest) for tenant, *rest in found]

    async def set_limit(self, tenant: str | None, limit_nanos: int | None, by: str) -> int:
        """Set a daily limit, or remove a tenant's own (None); the version of the change."""
        name = tenant or _EVERYONE
        async with self._change() as (connection, version):
            if limit_nanos is None:
                await connection.execute(self._sql["budget_remove"], name)
            else:
                await connection.execute(self._sql["budget_set"], name, limit_nanos, version, by)
            await connection.execute(self._sql["budget_change_insert"], version, name, limit_nanos, by)
        return version

    async def set_zone(self, tenant: str, spans: Sequence[ZoneSpan]) -> int:
        """Replace a tenant's zone spans; the version of the change."""
        async with self._change() as (connection, version):
            await connection.execute(self._sql["zone_clear"], tenant)
            for span in spans:
                await connection.execute(self._sql["zone_insert"], tenant, span.first_day, span.zone)
        return version

    async def add_key(self, key: StoredKey, note: str) -> None:
        """Keep a key."""
        who = key.principal
        async with self._change() as (connection, _):
            await connection.execute(
                self._sql["key_insert"], who.key_id, key.secret_hash, who.role.value, who.tenant, note
            )

    async def revoke_key(self, key_id: str) -> bool:
        """Revoke a key; False where there is none in force."""
        async with self._change() as (connection, _):
            return bool(await connection.execute(self._sql["key_revoke"], key_id) == "UPDATE 1")

    async def list_keys(self) -> list[KeyListing]:
        """Every key ever made, newest first."""
        async with connection_of(self._pool) as connection:
            return [KeyListing(*row) for row in await connection.fetch(self._sql["keys_list"])]

    async def add_token(self, token: StoredToken) -> None:
        """Keep a webhook token."""
        async with self._change() as (connection, _):
            await connection.execute(
                self._sql["token_insert"], token.token_id, token.token_hash, token.source, token.tenant
            )

    async def revoke_token(self, token_id: str) -> bool:
        """Revoke a webhook token; False where there is none in force."""
        async with self._change() as (connection, _):
            return bool(await connection.execute(self._sql["token_revoke"], token_id) == "UPDATE 1")

    async def list_tokens(self) -> list[TokenListing]:
        """Every webhook token ever made, newest first."""
        async with connection_of(self._pool) as connection:
            return [TokenListing(*row) for row in await connection.fetch(self._sql["tokens_list"])]

    async def store_prices(self, digest: str, version: str, cards: Iterable[PriceCard]) -> bool:
        """Keep a price book's cards so that entries can refer to them; False where it was there already."""
        rows = list(cards)
        async with connection_of(self._pool) as connection, connection.transaction():
            status = await connection.execute(self._sql["price_book_insert"], digest, version, len(rows))
            if status == "INSERT 0 0":
                return False
            columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]
            await connection.execute(self._sql["prices_insert"], *columns)
        return True

    @asynccontextmanager
    async def _change(self) -> AsyncIterator[tuple[Connection, int]]:
        async with connection_of(self._pool) as connection, connection.transaction():
            yield connection, await connection.fetchval(self._sql["config_bump"])
