"""What the gate asks of the ledger: totals that the counters lack, and what calls have come to."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import NamedTuple, Protocol


class MeterTotals(NamedTuple):
    """Committed totals by meter, in their units, as of a version of the partition; those without any left out."""

    ledger_epoch: str
    version: int
    totals: Mapping[str, int]


class Totals(Protocol):
    """Read-only questions. Methods raise `LedgerUnavailable` where Postgres is away."""

    async def meter_totals(self, partition: int, tenant: str, meters: Collection[str]) -> MeterTotals:
        """Totals of some meters of a tenant of the partition, its days included."""
        ...

    async def mean_output(self, tenant: str, agent: str, model: str, since: date) -> int | None:
        """Output tokens of an agent's calls on a model from a local day on, the mean rounded up; None without calls.

        `agent` is a path of roles.
        """
        ...
