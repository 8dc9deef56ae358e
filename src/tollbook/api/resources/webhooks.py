"""`/v1/webhooks`: addresses that take events without a key, because they are the secret."""

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from tollbook.api.answers import time_text
from tollbook.api.asking import SECURITY, Who, World, admin, name_of, not_found
from tollbook.api.auth import own_tenant
from tollbook.api.failures import problems
from tollbook.api.problems import unavailable
from tollbook.api.resources.budgets import by
from tollbook.api.resources.keys import refreshed
from tollbook.pipeline.directory import mint_token, token_id_of
from tollbook.ports.config import TokenListing
from tollbook.ports.received import ReceivedRequest

_TAGS = ["access"]


class WebhookRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A webhook to make: the source its events are said to come from, and the tenant it is bound to (null: all)."""

    source: str
    tenant: str | None = None


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook just made. `token` is the whole secret, shown this once; the paths hold it."""

    token_id: str
    token: str
    source: str
    tenant: str | None
    receive_path: str
    requests_path: str


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook without its token; `revoked_at` is null while it is in force."""

    token_id: str
    source: str
    tenant: str | None
    created_at: str
    revoked_at: str | None


class Webhooks(msgspec.Struct, frozen=True):
    """Newest first."""

    rows: list[Webhook]


class Received(msgspec.Struct, frozen=True):
    """The last requests of a webhook, newest first; `total` is how many are shown."""

    ok: bool
    total: int
    requests: list[ReceivedRequest]


@post(
    "/v1/webhooks",
    guards=[admin],
    security=SECURITY,
    tags=_TAGS,
    summary="Make a webhook",
    responses=problems(400, 401, 403, 503),
)
async def make_webhook(services: World, principal: Who, data: JSONBody[WebhookRequest]) -> NewWebhook:
    """Make a webhook; one made by a key that is bound to a tenant is bound to the same."""
    tenant = own_tenant(principal, None if data.tenant is None else name_of(data.tenant, "tenant"))
    source = name_of(data.source, "source")
    token = await mint_token(services.config, source, by=by(principal), tenant=tenant)
    await refreshed(services)
    return NewWebhook(
        token_id=token_id_of(token),
        token=token,
        source=source,
        tenant=tenant,
        receive_path=f"/webhook/receive/{token}",
        requests_path=f"/api/v1/webhooks/{token}/requests",
    )


@get(
    "/v1/webhooks",
    guards=[admin],
    security=SECURITY,
    tags=_TAGS,
    summary="List webhooks",
    responses=problems(400, 401, 403, 503),
)
async def webhooks(services: World, principal: Who) -> Webhooks:
    """Every webhook ever made, without tokens; a bound admin sees those of its tenant."""
    found = await services.config.list_tokens()
    return Webhooks([_shown(row) for row in found if principal.tenant in (None, row.tenant)])


@delete(
    "/v1/webhooks/{token_id:str}",
    guards=[admin],
    security=SECURITY,
    tags=_TAGS,
    summary="Revoke a webhook",
    responses=problems(400, 401, 403, 404, 503),
)
async def revoke_webhook(services: World, principal: Who, token_id: FromPath[str]) -> None:
    """Revoke a webhook by its id: its address is unknown everywhere within a second."""
    name = name_of(token_id, "token_id")
    if principal.tenant is not None:
        listed = await services.config.list_tokens()
        if not any(row.token_id == name and row.tenant == principal.tenant for row in listed):
            raise not_found("no such webhook is in force")
    if not await services.config.revoke_token(name, by(principal)):
        raise not_found("no such webhook is in force")
    await refreshed(services)


@get(
    "/api/v1/webhooks/{token:str}/requests",
    tags=["intake"],
    summary="What a webhook received last",
    responses=problems(400, 404, 503),
)
async def webhook_requests(services: World, token: FromPath[str]) -> Received:
    """The last requests as they came in; reading them takes nothing away. The token is the secret: no key is asked."""
    if not services.directory.loaded:
        raise unavailable("webhooks are not loaded yet", "starting")
    stored = services.directory.webhook(token)
    if stored is None:
        raise not_found("no such webhook is in force")
    found = await services.received.newest(stored.token_id)
    return Received(ok=True, total=len(found), requests=found)


def _shown(row: TokenListing) -> Webhook:
    return Webhook(
        token_id=row.token_id,
        source=row.source,
        tenant=row.tenant,
        created_at=time_text(row.created_at),
        revoked_at=None if row.revoked_at is None else time_text(row.revoked_at),
    )
