"""Where the sessions of browsers are kept."""

from datetime import datetime
from typing import Protocol


class Sessions(Protocol):
    """Sessions by the SHA-256 of their token. Methods raise `LedgerUnavailable` where Postgres is away."""

    async def begin(self, token_hash: bytes, key_id: str, now: datetime, ends_at: datetime) -> None:
        """Keep a session, and forget those that have ended."""
        ...

    async def key_of(self, token_hash: bytes, now: datetime) -> str | None:
        """The id of the key that a session was opened with; None where it is unknown or has ended."""
        ...

    async def end(self, token_hash: bytes) -> None:
        """Forget a session."""
        ...
