"""LiteLLM's spend logs out of its own database, by a cursor: one snapshot, a page in memory at a time."""

from collections.abc import AsyncIterator
from datetime import datetime
from importlib import resources

import asyncpg

from tollbook.domain.errors import ConfigError
from tollbook.ingest.exports.found import EventMaker, Refused, Row
from tollbook.ingest.exports.spend_logs import SpendLogs
from tollbook.ingest.refusal import ItemRefused
from tollbook.pipeline.importing import PAGE_EVENTS, Page

_EARLIEST = datetime(1970, 1, 1)  # noqa: DTZ001 - LiteLLM's column has no zone; it is written in UTC


async def spend_pages(url: str, export: SpendLogs, maker: EventMaker) -> AsyncIterator[Page]:
    """Pages of every row; raises `ConfigError` where the database cannot be read."""
    statement = (resources.files("tollbook.imports") / "spend_logs.sql").read_text()
    try:
        connection = await asyncpg.connect(url)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                number, page = 0, _empty()
                async for row in connection.cursor(statement, _EARLIEST, prefetch=PAGE_EVENTS):
                    number += 1
                    _add(page, Row(number, dict(row)), export, maker)
                    if len(page.events) + len(page.refused) >= PAGE_EVENTS:
                        yield page._replace(rows=number)
                        number, page = 0, _empty()
                yield page._replace(rows=number)
        finally:
            await connection.close()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise ConfigError(f"LiteLLM's database cannot be read: {error}") from error


def _empty() -> Page:
    return Page("spend logs", [], [], 0, None)


def _add(page: Page, row: Row, export: SpendLogs, maker: EventMaker) -> None:
    try:
        page.events.extend(event for found in export.rows(row) for event in maker.events(found))
    except ItemRefused as refused:
        page.refused.append(Refused(row.number, refused.code.value, refused.detail))
