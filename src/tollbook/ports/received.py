"""The last requests each webhook token received, for people who look."""

from typing import Protocol

import msgspec


class ReceivedRequest(msgspec.Struct, frozen=True):
    """One request as it came in. `body` is text; what is no UTF-8 is shown with replacement characters."""

    id: str
    method: str
    path: str
    query: str
    headers: dict[str, list[str]]
    body: str
    received_at: str
    truncated: bool = False


class ReceivedLog(Protocol):
    """A bounded list a token, newest first. A convenience: the ledger's truth is the entries."""

    async def keep(self, token_id: str, request: ReceivedRequest) -> None:
        """Put a request at the head; raises `JournalUnavailable` where Valkey is away."""
        ...

    async def newest(self, token_id: str) -> list[ReceivedRequest]:
        """What is kept, newest first; raises `JournalUnavailable` where Valkey is away."""
        ...
