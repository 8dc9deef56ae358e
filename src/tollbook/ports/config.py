"""What is configured: partitions, zones, keys, tokens, limits. Kept in Postgres, versioned as a whole."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from tollbook.domain.access import StoredKey, StoredToken
from tollbook.domain.window import ZoneSpan
from tollbook.ports.journal import Limit


class Snapshot(msgspec.Struct, frozen=True):
    """The configuration at one version, as receivers hold it in memory."""

    version: int
    partitions: int
    moved: Mapping[str, int]
    zones: Mapping[str, tuple[ZoneSpan, ...]]
    keys: Sequence[StoredKey]
    tokens: Sequence[StoredToken]


class KeyListing(NamedTuple):
    """A key as `tollbook key list` shows it."""

    key_id: str
    role: str
    tenant: str | None
    note: str
    created_at: datetime
    revoked_at: datetime | None


class TokenListing(NamedTuple):
    """A webhook token as `tollbook webhook list` shows it."""

    token_id: str
    source: str
    tenant: str | None
    created_at: datetime
    revoked_at: datetime | None


class BudgetListing(NamedTuple):
    """A daily limit; `tenant` None is the default for everyone without an own one."""

    tenant: str | None
    limit_nanos: int
    version: int
    updated_at: datetime
    updated_by: str


class PriceCard(NamedTuple):
    """A rate card as entries refer to it; `terms` is JSON text."""

    price_id: int
    provider: str
    model: str
    terms: str


class Config(Protocol):
    """The configuration. Methods raise `LedgerUnavailable` where Postgres is away."""

    async def version(self) -> int:
        """The configuration's version; it grows with every change."""
        ...

    async def snapshot(self) -> Snapshot:
        """Everything a receiver needs."""
        ...

    async def limits_since(self, version: int) -> list[Limit]:
        """The limits in force that changed after a version; 0 for all."""
        ...

    async def budgets(self) -> list[BudgetListing]:
        """Every limit in force."""
        ...

    async def set_limit(self, tenant: str | None, limit_nanos: int | None, by: str) -> int:
        """Set a daily limit, or remove a tenant's own (None); the version of the change."""
        ...

    async def set_zone(self, tenant: str, spans: Sequence[ZoneSpan]) -> int:
        """Replace a tenant's zone spans; the version of the change."""
        ...

    async def add_key(self, key: StoredKey, note: str) -> None:
        """Keep a key."""
        ...

    async def revoke_key(self, key_id: str) -> bool:
        """Revoke a key; False where there is none in force."""
        ...

    async def list_keys(self) -> list[KeyListing]:
        """Every key ever made, newest first."""
        ...

    async def add_token(self, token: StoredToken) -> None:
        """Keep a webhook token."""
        ...

    async def revoke_token(self, token_id: str) -> bool:
        """Revoke a webhook token; False where there is none in force."""
        ...

    async def list_tokens(self) -> list[TokenListing]:
        """Every webhook token ever made, newest first."""
        ...

    async def store_prices(self, digest: str, version: str, cards: Iterable[PriceCard]) -> bool:
        """Keep a price book's cards so that entries can refer to them; False where it was there already."""
        ...
