"""How the system stands: stores, what waits, prices, sources and hooks, and what needs attention."""

import asyncio
from collections.abc import Awaitable
from typing import Literal, TypeVar

import msgspec

from tollbook.domain.access import Principal
from tollbook.domain.errors import StoreError
from tollbook.domain.source import SourceState
from tollbook.ports.journal import Depth
from tollbook.views.desk import Desk
from tollbook.views.price_books import books
from tollbook.views.problems import forbidden

Answer = TypeVar("Answer")

_PATIENCE_S = 2.0
_LAG_S = 30
_QUIET = frozenset({SourceState.OK, SourceState.NEW})
_DATA_OLD_S = 14 * 86_400


class Waiting(msgspec.Struct, frozen=True):
    """What waits in a partition's journal; nulls where Valkey does not say."""

    partition: int
    records: int | None
    oldest_s: str | None


class Attention(msgspec.Struct, frozen=True):
    """Something to look after: how bad, what it is, and the page that says more."""

    level: Literal["bad", "warn"]
    text: str
    page: str


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The system at a glance. `attention` is empty where all is well."""

    version: str
    at: str
    config_version: int | None
    valkey: bool
    postgres: bool
    postgres_version: str | None
    partitions: int
    journal: list[Waiting]
    inbox_s: str | None
    price_version: str
    price_data_age_s: int | None
    prices_wait: bool
    sources: int
    hooks: int
    attention: list[Attention]


async def health(desk: Desk, principal: Principal, version: str) -> Health:
    """How the system stands, as this process sees it; needs a key that is bound to no tenant."""
    if principal.tenant is not None:
        raise forbidden("this needs a key that is bound to no tenant")
    count = desk.directory.tenancy.partitions
    depths = await asyncio.gather(*(_patiently(desk.journal.depth(partition)) for partition in range(count)))
    lag, facts, kept, sources, hooks = await asyncio.gather(
        _patiently(desk.reading.lag_s()),
        _patiently(desk.config.server_facts()),
        _patiently(books(desk, principal)),
        _patiently(desk.sources.standings()),
        _patiently(desk.alerts.hooks()),
    )
    waits = kept is not None and any(book.waits for book in kept.rows)
    found = _of_stores(depths, lag, postgres=facts is not None)
    if waits:
        found.append(Attention("warn", "A price book waits to be accepted: prices stay as they were", "/prices"))
    age = None if kept is None else kept.data_age_s
    if age is not None and age > _DATA_OLD_S:
        found.append(Attention("warn", f"The price data is {age // 86_400} days old", "/prices"))
    for source in sources or []:
        if source.state not in _QUIET:
            found.append(Attention("warn", f"Source {source.name}: {source.state.value}", "/sources"))
    for hook in hooks or []:
        if hook.disabled is not None:
            found.append(Attention("warn", f"Alert hook {hook.hook_id} hears nothing: {hook.disabled}", "/health"))
    return Health(
        version=version,
        at=desk.clock.now().isoformat().replace("+00:00", "Z"),
        config_version=desk.directory.tenancy.version if desk.directory.loaded else None,
        valkey=all(depth is not None for depth in depths),
        postgres=facts is not None,
        postgres_version=None if facts is None else facts.version,
        partitions=count,
        journal=[_waiting(partition, depth) for partition, depth in enumerate(depths)],
        inbox_s=None if lag is None else f"{lag:.1f}",
        price_version=desk.prices.book.version,
        price_data_age_s=age,
        prices_wait=waits,
        sources=len(sources or []),
        hooks=len(hooks or []),
        attention=found,
    )


def _of_stores(depths: list[Depth | None], lag: float | None, *, postgres: bool) -> list[Attention]:
    found: list[Attention] = []
    if any(depth is None for depth in depths):
        found.append(Attention("bad", "Valkey does not answer: events go to the inbox in Postgres", "/health"))
    if not postgres:
        found.append(Attention("bad", "Postgres does not answer: events wait in the journal", "/health"))
    oldest = max((depth.oldest_ms for depth in depths if depth is not None), default=0) // 1000
    if oldest > _LAG_S:
        found.append(Attention("bad", f"The journal is {oldest} s behind: is the drain running?", "/health"))
    if lag is not None and lag > _LAG_S:
        found.append(Attention("warn", f"The inbox has held records for {int(lag)} s", "/health"))
    return found


def _waiting(partition: int, depth: Depth | None) -> Waiting:
    if depth is None:
        return Waiting(partition, None, None)
    return Waiting(partition, depth.records, f"{depth.oldest_ms / 1000:.1f}")


async def _patiently(question: Awaitable[Answer]) -> Answer | None:
    """The answer, or None where the store does not give it in time."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await question
    except (StoreError, TimeoutError):
        return None
