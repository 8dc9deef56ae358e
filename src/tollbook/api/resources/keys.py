"""`/v1/keys`: who may do what."""

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from tollbook.api.answers import time_text
from tollbook.api.asking import SECURITY, Who, World, any_key, name_of, sender
from tollbook.api.failures import problems
from tollbook.domain.access import Role
from tollbook.views.keys import KeyRequest, Keys, NewKey, listed, make, revoke

_TAGS = ["access"]


class OwnKey(msgspec.Struct, frozen=True, kw_only=True):
    """The key that asks: `tenant` null sees all tenants; `agent` and `run` bound what it may report."""

    key_id: str
    role: Role
    tenant: str | None
    agent: str | None
    run: str | None
    expires_at: str | None


@get(
    "/v1/key",
    guards=[any_key],
    security=SECURITY,
    tags=_TAGS,
    summary="What this key is",
    responses=problems(400, 401, 503),
)
async def own_key(principal: Who) -> OwnKey:
    """The role and the bounds of the key that the request bears."""
    return OwnKey(
        key_id=principal.key_id,
        role=principal.role,
        tenant=principal.tenant,
        agent=principal.agent,
        run=principal.run,
        expires_at=None if principal.expires_at is None else time_text(principal.expires_at),
    )


@post(
    "/v1/keys",
    guards=[sender],
    security=SECURITY,
    tags=_TAGS,
    summary="Make a key",
    responses=problems(400, 401, 403, 404, 409, 503),
)
async def make_key(services: World, principal: Who, data: JSONBody[KeyRequest]) -> NewKey:
    """Make a key. A key that is bound to a tenant makes keys of the same; an ingest key makes keys below itself."""
    return await make(services, principal, data)


@get(
    "/v1/keys",
    guards=[sender],
    security=SECURITY,
    tags=_TAGS,
    summary="List keys",
    responses=problems(400, 401, 403, 503),
)
async def keys(services: World, principal: Who) -> Keys:
    """Every key ever made, without secrets; a bound admin sees those of its tenant, an ingest key those below it."""
    return await listed(services, principal)


@delete(
    "/v1/keys/{key_id:str}",
    guards=[sender],
    security=SECURITY,
    tags=_TAGS,
    summary="Revoke a key",
    responses=problems(400, 401, 403, 404, 503),
)
async def revoke_key(services: World, principal: Who, key_id: FromPath[str]) -> None:
    """Revoke a key and every key below it: refused everywhere within a second. An ingest key revokes those below it."""
    await revoke(services, principal, name_of(key_id, "key_id"))
