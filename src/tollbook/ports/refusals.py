"""What the gate refused, counted: nothing bills by it, so a crash may lose a second of it."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple, Protocol


class Refused(NamedTuple):
    """Calls alike that were refused; `run` and `budget` are '' where there is none."""

    tenant: str
    run: str
    agent: str
    model: str
    verdict: str
    budget: str
    times: int
    first_at: datetime
    last_at: datetime


class RefusalStore(Protocol):
    """Methods raise `LedgerUnavailable` where Postgres is away."""

    async def add(self, refused: Sequence[Refused]) -> None:
        """Add counts to those of their UTC day."""
        ...

    async def of_run(self, tenant: str, run: str, count: int) -> list[Refused]:
        """What was refused to a run, most often first; run '': to calls of none."""
        ...

    async def prune(self, before: date) -> None:
        """Forget what was refused before a UTC day."""
        ...
