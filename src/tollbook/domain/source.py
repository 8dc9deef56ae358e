"""A source that has to be fetched: a webhook inbox elsewhere, what it is polled with, and how that goes."""

from datetime import datetime
from enum import StrEnum

import msgspec

INSTANODE_BASE = "https://api.instanode.dev"
INSTANODE_STORED_MAX = 100
"""What that provider keeps of a webhook that nobody pays for."""


class SourceKind(StrEnum):
    """Whose inbox it is."""

    INSTANODE = "instanode"


class SourceState(StrEnum):
    """How the last poll went. The words stand in `tollbook source status`."""

    NEW = "new"
    """Not polled yet."""
    OK = "ok"
    AWAY = "away"
    """It did not answer, or answered that it cannot: tried again."""
    FORBIDDEN = "forbidden"
    """It belongs to a team since it was claimed, and asks for that team's bearer."""
    ENDED = "ended"
    """It has expired or was revoked: nothing more will come."""
    UNKNOWN = "unknown"
    """There is no such inbox."""
    CONFUSED = "confused"
    """It answered what is no inbox."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A source as it was added. `token` and `bearer` are secrets; `stored_max` is how many requests it keeps."""

    source_id: str
    kind: SourceKind
    name: str
    base: str
    token: str
    bearer: str | None
    tenant: str | None
    stored_max: int
    created_at: datetime


class SourceStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A source without its secrets, and what came of it so far."""

    source_id: str
    kind: SourceKind
    name: str
    base: str
    has_bearer: bool
    tenant: str | None
    stored_max: int
    created_at: datetime
    polled_at: datetime | None
    state: SourceState
    detail: str
    polls: int
    requests: int
    events: int
    refused: int
    gaps: int
    gap_at: datetime | None


class Stored(msgspec.Struct, frozen=True):
    """A request that an inbox kept. `body` is text, as the provider keeps it; header values are arrays."""

    id: str
    method: str = "POST"
    headers: dict[str, list[str]] = {}
    query: str = ""
    body: str = ""
    received_at: str | None = None


class Inbox(msgspec.Struct, frozen=True):
    """One reading of an inbox: everything it keeps, newest first, or why there is none. `rotated` says that it told so.

    `retry_after_s` is how long it asks to be left alone.
    """

    state: SourceState
    requests: tuple[Stored, ...] = ()
    detail: str = ""
    retry_after_s: float | None = None
    rotated: bool = False
