"""Roles of Postgres that may read the invoice and nothing else."""

import asyncpg

from tollbook.ledger.pool import connection_of
from tollbook.ledger.queries import Queries


async def make_reader(pool: asyncpg.Pool, queries: Queries, name: str, secret: str) -> None:
    """A role with two connections that may read `daily_spend`."""
    async with connection_of(pool) as connection:
        await connection.execute(queries["reader_make"], name, secret)
