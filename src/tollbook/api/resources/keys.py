"""`/v1/keys`: who may do what."""

from contextlib import suppress

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from tollbook.api.answers import time_text
from tollbook.api.asking import SECURITY, Who, World, admin, name_of, not_found
from tollbook.api.auth import own_tenant
from tollbook.api.failures import problems
from tollbook.api.services import Services
from tollbook.domain.access import Role
from tollbook.domain.errors import StoreError
from tollbook.pipeline.directory import key_id_of, mint_key
from tollbook.ports.config import KeyListing

_TAGS = ["access"]


class KeyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to make: its role, the tenant it is bound to (null: all), and a note for people."""

    role: Role
    tenant: str | None = None
    note: str = ""


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key just made. `key` is shown this once."""

    key_id: str
    key: str
    role: Role
    tenant: str | None
    note: str


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret; `revoked_at` is null while it is in force."""

    key_id: str
    role: str
    tenant: str | None
    note: str
    created_at: str
    revoked_at: str | None


class Keys(msgspec.Struct, frozen=True):
    """Newest first."""

    rows: list[Key]


@post(
    "/v1/keys",
    guards=[admin],
    security=SECURITY,
    tags=_TAGS,
    summary="Make a key",
    responses=problems(400, 401, 403, 503),
)
async def make_key(services: World, principal: Who, data: JSONBody[KeyRequest]) -> NewKey:
    """Make a key; one made by a key that is bound to a tenant is bound to the same."""
    tenant = own_tenant(principal, None if data.tenant is None else name_of(data.tenant, "tenant"))
    note = name_of(data.note, "note") if data.note else ""
    key = await mint_key(services.config, data.role, tenant=tenant, note=note)
    await refreshed(services)
    return NewKey(key_id=key_id_of(key), key=key, role=data.role, tenant=tenant, note=note)


@get(
    "/v1/keys",
    guards=[admin],
    security=SECURITY,
    tags=_TAGS,
    summary="List keys",
    responses=problems(400, 401, 403, 503),
)
async def keys(services: World, principal: Who) -> Keys:
    """Every key ever made, without secrets; a bound admin sees those of its tenant."""
    found = await services.config.list_keys()
    return Keys([_shown(row) for row in found if principal.tenant in (None, row.tenant)])


@delete(
    "/v1/keys/{key_id:str}",
    guards=[admin],
    security=SECURITY,
    tags=_TAGS,
    summary="Revoke a key",
    responses=problems(400, 401, 403, 404, 503),
)
async def revoke_key(services: World, principal: Who, key_id: FromPath[str]) -> None:
    """Revoke a key: refused everywhere within a second."""
    name = name_of(key_id, "key_id")
    if principal.tenant is not None:
        listed = await services.config.list_keys()
        if not any(row.key_id == name and row.tenant == principal.tenant for row in listed):
            raise not_found("no such key is in force")
    if not await services.config.revoke_key(name):
        raise not_found("no such key is in force")
    await refreshed(services)


async def refreshed(services: Services) -> None:
    """Bring a change to this process at once; the others, and a failure here, are up to the next refresh."""
    with suppress(StoreError):
        await services.directory.refresh()


def _shown(row: KeyListing) -> Key:
    return Key(
        key_id=row.key_id,
        role=row.role,
        tenant=row.tenant,
        note=row.note,
        created_at=time_text(row.created_at),
        revoked_at=None if row.revoked_at is None else time_text(row.revoked_at),
    )
