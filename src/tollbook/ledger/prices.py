"""Price books in the ledger's database."""

from collections.abc import Iterable
from datetime import datetime

import asyncpg

from tollbook.ledger.pool import changing, connection_of
from tollbook.ledger.queries import Queries
from tollbook.ports.config import PriceCard
from tollbook.ports.prices import BookListing, KeptBook

_SELF = "tollbook"


class PostgresPrices:
    """Implements `ports.prices.PriceStore`. The caller owns the pool."""

    def __init__(self, pool: asyncpg.Pool, queries: Queries) -> None:
        self._pool = pool
        self._sql = queries

    async def keep(self, book: KeptBook, cards: Iterable[PriceCard]) -> bool:
        """Keep a book and its cards; False where it was there already."""
        rows = list(cards)
        columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]
        async with changing(self._pool, self._sql, _SELF) as connection:
            is_new = await connection.fetchval(
                self._sql["price_book_insert"], book.digest, book.version, len(rows), book.data, book.overrides
            )
            if is_new:
                await connection.execute(self._sql["prices_insert"], *columns)
        return bool(is_new)

    async def card(self, price_id: int) -> PriceCard | None:
        """A rate card as entries refer to it."""
        async with connection_of(self._pool) as connection:
            row = await connection.fetchrow(self._sql["price_card"], price_id)
        return None if row is None else PriceCard(*row)

    async def books(self, count: int) -> list[BookListing]:
        """The kept books: the one in force, those before it, then those that wait."""
        async with connection_of(self._pool) as connection:
            return [BookListing(*row) for row in await connection.fetch(self._sql["price_books"], count)]

    async def in_force(self) -> KeptBook | None:
        """The book accepted last; None before the first."""
        async with connection_of(self._pool) as connection:
            found = await connection.fetchrow(self._sql["price_book_in_force"])
        return None if found is None else KeptBook(*found)

    async def named(self, digest: str) -> list[KeptBook]:
        """At most two books whose digest begins so."""
        async with connection_of(self._pool) as connection:
            return [KeptBook(*row) for row in await connection.fetch(self._sql["price_book_named"], digest)]

    async def accept(self, digest: str, by: str, now: datetime) -> bool:
        """Put a kept book in force; False where there is none of this digest."""
        async with connection_of(self._pool) as connection:
            return await connection.fetchval(self._sql["price_book_accept"], digest, now, by) is not None

    async def refuse(self, digest: str, why: str) -> None:
        """Keep why a book waits to be accepted."""
        async with changing(self._pool, self._sql, _SELF) as connection:
            await connection.execute(self._sql["price_book_refuse"], digest, why)

    async def data_since(self, version: str) -> datetime | None:
        """When a release of the price data was first seen here."""
        async with connection_of(self._pool) as connection:
            found: datetime | None = await connection.fetchval(self._sql["price_data_since"], version)
        return found
