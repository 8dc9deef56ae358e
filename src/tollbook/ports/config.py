"""What is configured: partitions, zones, keys, tokens, limits. Kept in Postgres, versioned as a whole."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from tollbook.domain.access import StoredKey, StoredToken
from tollbook.domain.budget import Budget
from tollbook.domain.window import ZoneSpan


class OwnersBudgets(NamedTuple):
    """All budgets of one owner (None: everyone's) and the version of their newest change."""

    tenant: str | None
    budgets: tuple[Budget, ...]
    version: int


class Snapshot(msgspec.Struct, frozen=True):
    """The configuration at one version, as receivers hold it in memory.

    `budgets` are those of the owners of whose some changed after the version asked for.
    """

    version: int
    partitions: int
    moved: Mapping[str, int]
    zones: Mapping[str, tuple[ZoneSpan, ...]]
    keys: Sequence[StoredKey]
    tokens: Sequence[StoredToken]
    budgets: Sequence[OwnersBudgets] = ()


class KeyListing(NamedTuple):
    """A key as `tollbook key list` shows it; `parent` is the key that made it for a sub-agent."""

    key_id: str
    role: str
    tenant: str | None
    note: str
    created_at: datetime
    revoked_at: datetime | None
    parent: str | None = None
    agent: str | None = None
    run: str | None = None
    expires_at: datetime | None = None


class TokenListing(NamedTuple):
    """A webhook token as `tollbook webhook list` shows it."""

    token_id: str
    source: str
    tenant: str | None
    created_at: datetime
    revoked_at: datetime | None


class BudgetListing(NamedTuple):
    """A budget as it was last set."""

    budget: Budget
    version: int
    updated_at: datetime
    updated_by: str


class BudgetChange(NamedTuple):
    """What a budget is to become; `budget` None removes it. `tenant` None is everyone.

    `expected` is the version that the budget must stand at, 0 where there must be none; None: whatever stands.
    """

    tenant: str | None
    id: str
    budget: Budget | None
    expected: int | None = None


class BudgetRevision(NamedTuple):
    """One change of a budget, whole; `budget` None is its removal."""

    version: int
    budget: Budget | None
    changed_at: datetime
    changed_by: str


class BudgetsChanged(NamedTuple):
    """The version of a change, and the partitions in which meters were counted anew."""

    version: int
    partitions: frozenset[int]


class PriceCard(NamedTuple):
    """A rate card as entries refer to it; `terms` is JSON text."""

    price_id: int
    provider: str
    model: str
    terms: str


class ServerFacts(NamedTuple):
    """What the Postgres server says of itself."""

    version: str
    fsync: str
    synchronous_commit: str
    in_recovery: bool
    partitions: int


class Config(Protocol):
    """The configuration. Methods raise `LedgerUnavailable` where Postgres is away.

    `by` is who makes a change, for the audit trail: `key <id>`, or the name of whoever uses the command line.
    """

    async def version(self) -> int:
        """The configuration's version; it grows with every change."""
        ...

    async def snapshot(self, budgets_after: int = 0) -> Snapshot:
        """Everything a receiver needs, of budgets what changed after a version; 0 for all."""
        ...

    async def budgets_since(self, version: int) -> list[OwnersBudgets]:
        """The budgets of each owner of whose some changed after a version, those without any left too; 0 for all."""
        ...

    async def backfills(self) -> dict[int, int]:
        """By partition, the version that its counters must have reached before its budgets are trusted."""
        ...

    async def budgets(
        self, owners: Sequence[str | None] | None = None, after: tuple[str, str] = ("", ""), count: int = 10_000
    ) -> list[BudgetListing]:
        """Budgets in force of some owners (None: of all) by (tenant or '', id), behind a key; everyone's come first."""
        ...

    async def budget(self, tenant: str | None, budget_id: str) -> BudgetListing | None:
        """One budget, or None where there is none of this id."""
        ...

    async def change_budgets(self, changes: Sequence[BudgetChange], by: str, now: datetime) -> BudgetsChanged:
        """Make changes in one transaction that also counts the meters they name anew; raises `BudgetClash`.

        What is named is one budget only once.
        """
        ...

    async def budget_revisions(self, tenant: str | None, budget_id: str, count: int = 100) -> list[BudgetRevision]:
        """What became of a budget, newest first."""
        ...

    async def end_budgets(self, now: datetime) -> int:
        """Remove budgets whose end has come; how many."""
        ...

    async def set_limit(self, tenant: str | None, limit_nanos: int | None, by: str) -> int:
        """Set a daily limit, or remove a tenant's own (None); the version of the change."""
        ...

    async def server_facts(self) -> ServerFacts:
        """What the Postgres server says of itself."""
        ...

    async def mint_ledger_epoch(self, by: str) -> str:
        """Declare that the ledger was restored to an earlier state; the new ledger epoch."""
        ...

    async def set_zone(self, tenant: str, spans: Sequence[ZoneSpan], by: str) -> int:
        """Replace a tenant's zone spans; the version of the change."""
        ...

    async def add_key(
        self, key: StoredKey, note: str, by: str, shares: Sequence[BudgetChange] = (), now: datetime | None = None
    ) -> BudgetsChanged:
        """Keep a key together with the budgets that are its shares; raises `BudgetClash`."""
        ...

    async def revoke_key(self, key_id: str, now: datetime, by: str) -> BudgetsChanged | None:
        """Revoke a key, every key below it, and their shares; None where there is none in force."""
        ...

    async def key_line(self, key_id: str) -> list[KeyListing]:
        """A key and those above it, up to the one that no key made; none where it is not in force."""
        ...

    async def list_keys(self) -> list[KeyListing]:
        """Every key ever made, newest first."""
        ...

    async def add_token(self, token: StoredToken, by: str) -> None:
        """Keep a webhook token."""
        ...

    async def revoke_token(self, token_id: str, by: str) -> bool:
        """Revoke a webhook token; False where there is none in force."""
        ...

    async def list_tokens(self) -> list[TokenListing]:
        """Every webhook token ever made, newest first."""
        ...
