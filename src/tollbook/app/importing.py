"""An import as a whole: files or a database on one side, the stores of a `World` on the other."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from tollbook.app.garbage import spare_collector
from tollbook.app.prices import book_in_force
from tollbook.app.wiring import World, ceiling_of
from tollbook.domain.limits import IntakeLimits
from tollbook.imports.pages import Form, Input, Pages, form_of, open_parquet
from tollbook.imports.spend_table import spend_pages
from tollbook.ingest.exports.claude_code import ClaudeCode
from tollbook.ingest.exports.found import Bounds, EventMaker, Export
from tollbook.ingest.exports.spend_logs import SpendLogs
from tollbook.ledger.imports import PostgresImports
from tollbook.pipeline.importing import Importing, Page, Told, Watcher
from tollbook.pipeline.resolve import Resolver
from tollbook.ports.imports import Place
from tollbook.usage.anthropic_shape import read_messages

_ANY_AGE_DAYS = 36_500


class Job(NamedTuple):
    """What is imported, as calls of which source."""

    kind: str
    export: Export
    files: Sequence[Input]
    source: str
    database: str | None = None


def transcripts(bounds: Bounds) -> ClaudeCode:
    """A reader of Claude Code's transcripts."""
    return ClaudeCode(bounds, read_messages)


def inputs(kind: str, source: str, paths: Sequence[Path], *, whole: bool) -> list[Input]:
    """Files by the names that their places are remembered by; raises `ConfigError` where a form is not known."""
    # A path that is moved is read from its beginning, which costs time and counts nothing twice.
    return [Input(f"{kind}:{source}:{path.resolve()}", path, form_of(path), whole) for path in paths]


async def run_import(world: World, job: Job, watcher: Watcher) -> Told:
    """Import everything of a job; raises `StoreError` where the stores stay away."""
    book = await book_in_force(world.prices, ceiling_of(world.settings))
    if book is None:
        # Nothing was ever priced here: the installed data, and prices.toml, are put in force as a receiver would.
        book = await world.price_keeper().open()
    limits = msgspec.structs.replace(world.intake_limits(), past_days_max=_ANY_AGE_DAYS)
    resolver = Resolver(limits, book, world.directory.tenancy)
    resolver.under(world.directory.tenancy, world.directory.budgets)
    store = PostgresImports(world.pool, world.queries)
    importing = Importing(resolver, world.intake(), store, world.clock, world.metrics)
    places = await store.places([file.name for file in job.files])
    spare_collector()
    return await importing.run(_pages(job, places, limits), job.source, watcher)


async def _pages(job: Job, places: dict[str, Place], limits: IntakeLimits) -> AsyncIterator[Page]:
    maker = EventMaker(limits)
    if job.database is not None and isinstance(job.export, SpendLogs):
        async for page in spend_pages(job.database, job.export, maker):
            yield page
        return
    pages = Pages(job.export, maker)
    for file in job.files:
        parquet = open_parquet(file.path) if file.form is Form.PARQUET else None
        for page in pages.of(file, places.get(file.name), parquet):
            yield page
