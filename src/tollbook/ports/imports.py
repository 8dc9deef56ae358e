"""What imports remember between two runs, and what they ask of entries older than the dedupe window."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol


class Place(NamedTuple):
    """How far a file is imported: `done` bytes (rows of a Parquet file), and the digest of what lies before there.

    For a Parquet file the digest is that of the whole file.
    """

    done: int
    digest: bytes


class ImportStore(Protocol):
    """Kept in the ledger's database. Methods raise `LedgerUnavailable` where it is away."""

    async def places(self, names: Collection[str]) -> dict[str, Place]:
        """Where each of these files stands; one that was never imported is left out."""
        ...

    async def keep(self, name: str, place: Place, now: datetime) -> None:
        """Remember where a file stands."""
        ...

    async def booked(self, keys: Sequence[tuple[datetime, bytes]]) -> set[bytes]:
        """Of entries named by (ts, entry id), the ids of those that are in the ledger, however old."""
        ...
