"""The real servers that tests run on: one of each for a test process, stopped when it ends."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import redis

from tollbook.embedded import PostgresServer, ValkeyServer
from tollbook.ledger.migrate import migrate

TEMPLATE = "tollbook_template"

# A small server that a busy machine can hold several of, and that no checkpoint disturbs.
POSTGRES_FOR_TESTS = {"shared_buffers": "32MB", "max_wal_size": "1GB", "autovacuum_naptime": "1h"}


def prepare_template(url: str) -> None:
    """Fill the database that every test's own database is copied from.

    The one place for it: the ledger's schema as its migrations make it.
    """
    asyncio.run(migrate(url))


def start_postgres(directory: Path) -> PostgresServer:
    """Start a PostgreSQL that forgets nothing but a power cut, with the template made."""
    server = PostgresServer.start(directory, durable=False, settings=POSTGRES_FOR_TESTS)
    execute(server.url, f'CREATE DATABASE "{TEMPLATE}"')
    prepare_template(with_database(server.url, TEMPLATE))
    return server


def start_valkey(directory: Path) -> ValkeyServer:
    """Start a Valkey that keeps an append-only file and leaves its fsync to the system."""
    return ValkeyServer.start(directory, fsync="no", memory_bytes=256 << 20)


@contextmanager
def own_database(server: PostgresServer) -> Iterator[str]:
    """The URL of a fresh copy of the template, dropped afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    # FILE_COPY writes no log of the pages, which fits a server without fsync.
    execute(server.url, f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}" STRATEGY FILE_COPY')
    try:
        yield with_database(server.url, name)
    finally:
        if not server.running:
            server.restart()
        execute(server.url, f'DROP DATABASE "{name}" WITH (FORCE)')


def empty_valkey(server: ValkeyServer) -> None:
    """Take every key, script and function out of a server; bring it back first if a test killed it."""
    if not server.running:
        server.restart()
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        client.script_flush()
        client.function_flush()


def with_database(url: str, name: str) -> str:
    """The same server's URL for another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def execute(url: str, statement: str) -> None:
    """Run one statement outside any transaction."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


def fetch_value(url: str, statement: str) -> object:
    """Run one query and return its first value."""

    async def run() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(run())
