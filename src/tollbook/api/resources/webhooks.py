"""`/v1/webhooks`: addresses that take events without a key, because they are the secret."""

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from tollbook.api.asking import SECURITY, Who, World, admin, name_of, not_found
from tollbook.api.failures import problems
from tollbook.api.problems import unavailable
from tollbook.ports.received import ReceivedRequest
from tollbook.views.webhooks import NewWebhook, WebhookRequest, Webhooks, listed, make, revoke

_TAGS = ["access"]


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
    return await make(services, principal, data)


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
    return await listed(services, principal)


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
    await revoke(services, principal, name_of(token_id, "token_id"))


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
