"""Brings a database to the schema this version works with; safe to run by many processes at once."""

import logging
from importlib import resources
from pathlib import Path

import asyncpg
from pogo_core.error import BadMigrationError
from pogo_core.util import migrate as pogo

from tollbook.domain.errors import ConfigError, LedgerUnavailable
from tollbook.ledger.pool import translated
from tollbook.ledger.queries import Queries

_SCHEMA = "public"


async def migrate(url: str, *, partitions: int | None = None) -> None:
    """Apply every migration not yet applied, one process at a time.

    `partitions` sets how many partitions a new ledger has; an existing one keeps its own.
    Raises `ConfigError` where a ledger with entries has another number of them, `LedgerUnavailable` where Postgres is
    away or refuses a statement.
    """
    queries = Queries()
    folder = resources.files("tollbook.ledger") / "migrations"
    async with translated():
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(queries["migration_lock"])
            with resources.as_file(folder) as path:
                await _apply(connection, Path(path))
            if partitions is not None:
                await connection.execute(queries["partitions_set"], partitions)
                await connection.execute(queries["partitions_fill"])
                kept = await connection.fetchval(queries["partitions_count"])
                if kept != partitions:
                    raise ConfigError(f"this ledger has {kept} partitions and entries in them: the number stays")
        finally:
            await connection.close()


def _quiet_logger() -> logging.Logger:
    # The migration library logs each step as a warning; a step that fails raises all the same.
    logger = logging.Logger("tollbook.migrations")
    logger.setLevel(logging.ERROR)
    return logger


async def _apply(connection: asyncpg.Connection, path: Path) -> None:
    try:
        await pogo.apply(connection, path, schema_name=_SCHEMA, logger=_quiet_logger())
    except BadMigrationError as error:
        raise LedgerUnavailable(f"{error}: {error.__cause__}") from error
