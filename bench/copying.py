"""The baseline of ingest: bare binary COPY into the ledger's own `entry` table, same indexes, same partitions."""

import asyncio
import struct
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from time import perf_counter

import asyncpg

from bench.stack import Postgres, Stack
from tollbook.domain.rows import COPY_HEADER, COPY_TRAILER
from tollbook.ledger.migrate import migrate

_DATABASE = "bare_copy"
_FIELDS = struct.Struct(">h")
_LENGTH = struct.Struct(">i")


class BareCopy:
    """A second database on the same server, filled by COPY alone."""

    def __init__(self, stack: Stack) -> None:
        stack.postgres.execute(f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)")
        stack.postgres.execute(f"CREATE DATABASE {_DATABASE}")
        url = stack.access.postgres_url.rpartition("/")[0] + f"/{_DATABASE}"
        asyncio.run(migrate(url, partitions=1))
        self._postgres = Postgres(url)
        self._rows: list[bytes] = []

    def take(self, rows: list[bytes]) -> None:
        """Remember the rows to copy, in COPY's binary format."""
        self._rows = rows

    def rows_a_second(self, rows_a_commit: int) -> float:
        """Copy every row into the empty table, so many rows a transaction."""
        self._postgres.execute("TRUNCATE entry")
        self._postgres.execute("CHECKPOINT")
        commits = [
            b"".join((COPY_HEADER, *self._rows[at : at + rows_a_commit], COPY_TRAILER))
            for at in range(0, len(self._rows), rows_a_commit)
        ]
        began = perf_counter()
        self._postgres.run(_copy(self._postgres.connection, commits))
        return len(self._rows) / (perf_counter() - began)

    def close(self) -> None:
        """Let the connection go."""
        self._postgres.close()


def rows_of(stack: Stack) -> list[bytes]:
    """Every row of the ledger's `entry`, in COPY's binary format and in the order they were booked."""
    out = BytesIO()
    stack.postgres.run(stack.postgres.connection.copy_from_query("SELECT * FROM entry", output=out, format="binary"))
    return list(_split(out.getvalue()))


def _split(stream: bytes) -> Iterator[bytes]:
    at = len(COPY_HEADER)
    while True:
        start = at
        (fields,) = _FIELDS.unpack_from(stream, at)
        if fields == -1:
            return
        at += 2
        for _ in range(fields):
            (length,) = _LENGTH.unpack_from(stream, at)
            at += 4 + max(length, 0)
        yield stream[start:at]


async def _copy(connection: asyncpg.Connection, commits: list[bytes]) -> None:
    for commit in commits:
        await connection.copy_to_table("entry", source=_once(commit), format="binary")


async def _once(stream: bytes) -> AsyncIterator[bytes]:
    yield stream
