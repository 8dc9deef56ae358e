"""The audit trail: who changed what, and when."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol


class ChangeKind(StrEnum):
    """What a change is of."""

    BUDGET = "budget"
    KEY = "key"
    WEBHOOK = "webhook"
    ZONE = "zone"
    PARTITION = "partition"
    HOOK = "hook"
    SOURCE = "source"
    PRICE_BOOK = "price_book"
    LEDGER = "ledger"


class ChangeAction(StrEnum):
    """What a change did; a budget is set, whether or not it was there."""

    MADE = "made"
    SET = "set"
    CHANGED = "changed"
    REMOVED = "removed"


class Change(NamedTuple):
    """One change; `tenant` '' is everyone's. `before` and `after` are what was kept, as JSON without secrets."""

    change_id: int
    changed_at: datetime
    changed_by: str
    kind: str
    action: str
    tenant: str
    name: str
    before: str | None
    after: str | None


class Changes(Protocol):
    """Methods raise `LedgerUnavailable` where Postgres is away."""

    async def page(self, tenant: str | None, kind: ChangeKind | None, before: int | None, count: int) -> list[Change]:
        """Up to `count` changes, newest first, behind one of them; of one tenant, or of all (None)."""
        ...
