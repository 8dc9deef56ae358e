"""Who may do what: a key has a role and may be bound to one tenant."""

from datetime import datetime
from enum import StrEnum

import msgspec

from tollbook.domain.agent import within


class Role(StrEnum):
    """What a key is for. Each role may do what is said of it and nothing else."""

    ADMIN = "admin"
    """Everything, for its tenant or for all."""
    INGEST = "ingest"
    """Send events, and ask whether its tenant may go on spending."""
    READ = "read"
    """Read spend, entries, runs and status."""


class Principal(msgspec.Struct, frozen=True):
    """Who a request comes from: a key's id, its role, and the tenant it is bound to (None: all).

    A key made for a sub-agent is bound to a subtree of agents, or to a run, or to both, and may end.
    """

    key_id: str
    role: Role
    tenant: str | None = None
    agent: str | None = None
    run: str | None = None
    expires_at: datetime | None = None

    def sees(self, tenant: str) -> bool:
        """Whether the tenant's money is this principal's business."""
        return self.tenant is None or self.tenant == tenant

    def covers(self, agent: str, run: str | None) -> bool:
        """Whether the principal may speak for an agent of a run."""
        return (self.agent is None or within(agent, self.agent)) and (self.run is None or self.run == run)


class StoredKey(msgspec.Struct, frozen=True):
    """A key as the ledger keeps it: never the secret, only its SHA-256."""

    principal: Principal
    secret_hash: bytes
    parent: str | None = None


class StoredToken(msgspec.Struct, frozen=True):
    """A webhook token as the ledger keeps it: the source it stands for and the tenant it is bound to."""

    token_id: str
    token_hash: bytes
    source: str
    tenant: str | None = None
