"""Connections to Postgres, and its errors in the words of the domain."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tollbook.domain.errors import LedgerRefused, LedgerUnavailable
from tollbook.ledger.queries import Queries

Connection = Any
"""An asyncpg connection, from a pool or not; the library gives the two no common type."""

_REFUSED_CLASSES = ("22", "23", "54")
"""SQLSTATE classes that blame the data: data exception, integrity violation, program limit exceeded."""


_SESSION = {"application_name": "tollbook", "jit": "off", "synchronous_commit": "on"}


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Raise driver errors as `LedgerRefused` where the data is to blame, else as `LedgerUnavailable`."""
    try:
        yield
    except asyncpg.PostgresError as error:
        if (error.sqlstate or "")[:2] in _REFUSED_CLASSES:
            raise LedgerRefused(str(error)) from error
        raise LedgerUnavailable(f"Postgres failed: {error}") from error
    except (asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise LedgerUnavailable(f"Postgres does not answer: {error!r}") from error


async def connect_pool(
    url: str, queries: Queries, *, connections_max: int, timeout_s: float, staging: bool = False
) -> asyncpg.Pool:
    """A pool that connects lazily, so that a process can start while Postgres is away.

    Raises nothing for an absent server: the first use does. With `staging`, each connection has the landing table.
    """

    async def prepare(connection: asyncpg.Connection) -> None:
        if staging:
            await connection.execute(queries["staging_create"])
            await connection.execute(queries["observation_create"])

    return await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=connections_max,
        init=prepare,
        timeout=timeout_s,
        command_timeout=timeout_s,
        max_inactive_connection_lifetime=0,
        # An acknowledged commit that a crash can lose would break `ack=ledger` and the fence. Given at the start of the
        # session, because the pool resets whatever is set later.
        server_settings=_SESSION,
    )


@asynccontextmanager
async def connection_of(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
    """A connection of the pool, with errors translated."""
    async with translated(), pool.acquire() as connection:
        yield connection


@asynccontextmanager
async def changing(pool: asyncpg.Pool, queries: Queries, by: str) -> AsyncIterator[Connection]:
    """A transaction whose changes are noted as somebody's."""
    async with connection_of(pool) as connection, connection.transaction():
        await connection.execute(queries["change_by"], by)
        yield connection
