"""Webhooks: addresses that take events without a key, because they are the secret."""

import msgspec

from tollbook.domain.access import Principal
from tollbook.pipeline.directory import mint_token, token_id_of
from tollbook.ports.config import TokenListing
from tollbook.views.asking import changer, name_of, own_tenant
from tollbook.views.desk import Desk
from tollbook.views.figures import time_text
from tollbook.views.keys import refreshed
from tollbook.views.problems import not_found


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


async def make(desk: Desk, principal: Principal, data: WebhookRequest) -> NewWebhook:
    """Make a webhook; one made by a key that is bound to a tenant is bound to the same."""
    tenant = own_tenant(principal, None if data.tenant is None else name_of(data.tenant, "tenant"))
    source = name_of(data.source, "source")
    token = await mint_token(desk.config, source, by=changer(principal), tenant=tenant)
    await refreshed(desk)
    return NewWebhook(
        token_id=token_id_of(token),
        token=token,
        source=source,
        tenant=tenant,
        receive_path=f"/webhook/receive/{token}",
        requests_path=f"/api/v1/webhooks/{token}/requests",
    )


async def listed(desk: Desk, principal: Principal) -> Webhooks:
    """Every webhook ever made, without tokens; a bound admin sees those of its tenant."""
    found = await desk.config.list_tokens()
    return Webhooks([_shown(row) for row in found if principal.tenant in (None, row.tenant)])


async def revoke(desk: Desk, principal: Principal, token_id: str) -> None:
    """Revoke a webhook by its id: its address is unknown everywhere within a second."""
    name = name_of(token_id, "token_id")
    if principal.tenant is not None:
        listed = await desk.config.list_tokens()
        if not any(row.token_id == name and row.tenant == principal.tenant for row in listed):
            raise not_found("no such webhook is in force")
    if not await desk.config.revoke_token(name, changer(principal)):
        raise not_found("no such webhook is in force")
    await refreshed(desk)


def _shown(row: TokenListing) -> Webhook:
    return Webhook(
        token_id=row.token_id,
        source=row.source,
        tenant=row.tenant,
        created_at=time_text(row.created_at),
        revoked_at=None if row.revoked_at is None else time_text(row.revoked_at),
    )
