"""Who may do what: a key has a role and may be bound to one tenant."""

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """What a key is for. Each role may do what is said of it and nothing else."""

    ADMIN = "admin"
    """Everything, for its tenant or for all."""
    INGEST = "ingest"
    """Send events, and ask whether its tenant may go on spending."""
    READ = "read"
    """Read spend, entries, runs and status."""


class Principal(msgspec.Struct, frozen=True):
    """Who a request comes from: a key's id, its role, and the tenant it is bound to (None: all)."""

    key_id: str
    role: Role
    tenant: str | None = None

    def sees(self, tenant: str) -> bool:
        """Whether the tenant's money is this principal's business."""
        return self.tenant is None or self.tenant == tenant


class StoredKey(msgspec.Struct, frozen=True):
    """A key as the ledger keeps it: never the secret, only its SHA-256."""

    principal: Principal
    secret_hash: bytes


class StoredToken(msgspec.Struct, frozen=True):
    """A webhook token as the ledger keeps it: the source it stands for and the tenant it is bound to."""

    token_id: str
    token_hash: bytes
    source: str
    tenant: str | None = None
