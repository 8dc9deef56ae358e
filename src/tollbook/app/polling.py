"""The poller of fetched sources, as a drain runs it: what it prices with is loaded once there is something to fetch."""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tollbook.app.mappings import load_mappings
from tollbook.app.prices import book_in_force, compiled_again
from tollbook.app.wiring import World, ceiling_of
from tollbook.domain.alert import Alert, AlertKind, crossing_of
from tollbook.domain.errors import StoreError
from tollbook.domain.source import Source
from tollbook.ledger.sources import PostgresSources
from tollbook.pipeline.polling import Poller
from tollbook.pipeline.resolve import Resolver
from tollbook.pricing.book import PriceBook
from tollbook.sources.instanode import InstanodeReader
from tollbook.telemetry import StoreTrouble

_LOOK_S = 2.0


@asynccontextmanager
async def polling(world: World) -> AsyncIterator[Poller]:
    """A poller under a name of its own; waits until there is a source and the configuration is known."""
    store = PostgresSources(world.pool, world.queries)
    book: PriceBook | None = None
    while book is None:
        book = await _book(world, store)
        await world.clock.pause(0 if book else _LOOK_S)
    resolver = world.resolver(book)
    mappings = load_mappings(world.settings.mappings_dir)

    def current() -> Resolver:
        resolver.under(world.directory.tenancy, world.directory.budgets)
        return resolver

    async def gap(source: Source, mark: str) -> None:
        await ring_gap(world, source, mark)

    reader = InstanodeReader()
    following = asyncio.create_task(_follow_book(world, resolver, book.digest), name="source-prices")
    try:
        yield Poller(
            store,
            reader,
            world.intake(),
            world.clock,
            world.metrics,
            resolver=current,
            limits=world.intake_limits(),
            mappings=mappings,
            gap=gap,
            by=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}",
        )
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await reader.close()


async def _book(world: World, store: PostgresSources) -> PriceBook | None:
    """What to price with, once there is something to fetch and a receiver has put a book in force."""
    if not world.directory.loaded:
        return None
    try:
        if not await store.standings():
            return None
        return await book_in_force(world.prices, ceiling_of(world.settings))
    except StoreError as trouble:
        world.metrics.record(StoreTrouble("postgres", "sources are polled later", str(trouble)))
        return None


async def _follow_book(world: World, resolver: Resolver, digest: str) -> None:
    """Price by each book that comes into force."""
    while True:
        await world.clock.pause(_LOOK_S)
        try:
            kept = await world.prices.in_force()
        except StoreError:
            # Whoever polls tells of it.
            continue
        if kept is not None and kept.digest != digest:
            digest = kept.digest
            resolver.price_by(await asyncio.to_thread(compiled_again, kept, ceiling_of(world.settings)))


async def ring_gap(world: World, source: Source, mark: str) -> None:
    """Raise the alert of a gap, once for each."""
    text = f"source {source.name}: its inbox was full and held nothing known: older requests may be lost"
    facts = {"source": source.name, "base": source.base, "stored_max": source.stored_max}
    crossing = crossing_of(AlertKind.SOURCE_GAP, source.source_id, mark)
    alert = Alert(
        kind=AlertKind.SOURCE_GAP, tenant=source.tenant or "", crossing=crossing, mark=1, text=text, facts=facts
    )
    await world.ring(alert)
