"""Where sources are kept, what of them was taken, and who fetches an inbox."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from tollbook.domain.source import Inbox, Source, SourceStanding, SourceState


class Taken(NamedTuple):
    """A stored request that is done with. `refused` says why nothing of it was taken; then its body is kept."""

    request_id: str
    refused: str | None = None
    body: str | None = None


class Polled(NamedTuple):
    """What one poll came to."""

    state: SourceState
    detail: str
    events: int = 0
    refused: int = 0
    gap: bool = False


class SourceStore(Protocol):
    """Kept in the ledger's database. Methods raise `LedgerUnavailable` where it is away."""

    async def add(self, source: Source, by: str) -> bool:
        """Keep a source; False where another has its name."""
        ...

    async def remove(self, name: str, by: str) -> bool:
        """Forget a source and what was taken of it; False where there is none."""
        ...

    async def standings(self) -> list[SourceStanding]:
        """Every source, by name, without secrets."""
        ...

    async def lease(self, by: str, now: datetime, until: datetime) -> Sequence[Source]:
        """The sources that are `by`'s to poll until an instant: nobody else's lease on them is in force."""
        ...

    async def known(self, source_id: str, request_ids: Collection[str]) -> set[str]:
        """Which stored requests are done with."""
        ...

    async def take(self, source_id: str, taken: Sequence[Taken], now: datetime) -> None:
        """Remember stored requests as done with."""
        ...

    async def polled(self, source_id: str, polled: Polled, requests: int, now: datetime) -> None:
        """Add what a poll came to."""
        ...

    async def forget(self, source_id: str, listed: Collection[str], before: datetime) -> int:
        """Forget requests that were taken before an instant and are not in the inbox any more; how many."""
        ...


class InboxReader(Protocol):
    """Fetches what an inbox keeps."""

    async def read(self, source: Source) -> Inbox:
        """One reading; whatever goes wrong on the way is a state, not an exception."""
        ...
