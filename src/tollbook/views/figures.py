"""Shapes that several views share."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from tollbook.domain.money import usd_text


class Counted(Protocol):
    """A sum over entries, whatever it is grouped by."""

    @property
    def calls(self) -> int: ...
    @property
    def cost_nanos(self) -> int: ...
    @property
    def unpriced_nanos(self) -> int: ...
    @property
    def input(self) -> int: ...
    @property
    def output(self) -> int: ...
    @property
    def cache_read(self) -> int: ...
    @property
    def cache_write(self) -> int: ...
    @property
    def reasoning(self) -> int: ...


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Calls, dollars and tokens. `unpriced_usd` is the part of `cost_usd` taken at the ceiling for want of a price."""

    calls: int
    cost_usd: str
    unpriced_usd: str
    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int


def figures_of(row: Counted) -> dict[str, int | str]:
    """The members of `Figures` for one row."""
    return {
        "calls": row.calls,
        "cost_usd": usd_text(row.cost_nanos),
        "unpriced_usd": usd_text(row.unpriced_nanos),
        "input": row.input,
        "output": row.output,
        "cache_read": row.cache_read,
        "cache_write": row.cache_write,
        "reasoning": row.reasoning,
    }


def total_of(rows: Iterable[Counted]) -> Figures:
    """The sum of rows, in whole nano-dollars before it becomes text."""
    found = list(rows)
    return Figures(
        calls=sum(row.calls for row in found),
        cost_usd=usd_text(sum(row.cost_nanos for row in found)),
        unpriced_usd=usd_text(sum(row.unpriced_nanos for row in found)),
        input=sum(row.input for row in found),
        output=sum(row.output for row in found),
        cache_read=sum(row.cache_read for row in found),
        cache_write=sum(row.cache_write for row in found),
        reasoning=sum(row.reasoning for row in found),
    )


def time_of_ms(ms: int) -> str:
    """An instant of the store's clock as RFC 3339 in UTC."""
    return time_text(datetime.fromtimestamp(ms / 1000, UTC))


def time_text(at: datetime) -> str:
    """An instant as RFC 3339 in UTC.

    >>> time_text(datetime(2026, 8, 1, tzinfo=UTC))
    '2026-08-01T00:00:00Z'
    """
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
