"""Sources: inboxes elsewhere that are fetched, and webhooks that take events here."""

from litestar import get, post

from tollbook.views.problems import field_invalid, not_found
from tollbook.views.sources import SourceRequest, add, remove
from tollbook.views.sources import listed as sources_of
from tollbook.views.webhooks import WebhookRequest, make, revoke
from tollbook.views.webhooks import listed as webhooks_of
from tollbook.web.access import SiteGiven, Who, admin, changed
from tollbook.web.answering import Sheet, View, answered
from tollbook.web.changing import Intent, asked_first, back_to, page
from tollbook.web.session import Answer, PageRequest

_COLUMNS = (
    *(
        "name",
        "kind",
        "tenant",
        "state",
        "detail",
        "polled_at",
        "polls",
        "requests",
        "events",
        "refused",
        "gaps",
        "gap_at",
    ),
)


@get("/sources", guards=[admin])
async def sources(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """Where events come from beside keys."""

    async def look() -> View:
        found = await sources_of(site, viewer.principal)
        hooks = await webhooks_of(site, viewer.principal)
        sheet = Sheet(_COLUMNS, (tuple(getattr(row, column) for column in _COLUMNS) for row in found.rows))
        shown = {
            "sources": found.rows,
            "webhooks": hooks.rows,
            "may_add": viewer.principal.tenant is None and bool(viewer.form_token),
        }
        return View("sources.html", "Sources", {"sources": found.rows, "webhooks": hooks.rows}, sheet, shown)

    return await answered(request, viewer, look)


@post("/sources", guards=[admin], status_code=200)
async def add_source(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """Say what will be fetched, then add it."""
    fields = await changed(request)
    wanted = SourceRequest(
        webhook_token=fields.get("webhook_token", ""),
        name=fields.get("name", "").strip() or None,
        bearer=fields.get("bearer", "").strip() or None,
        tenant=fields.get("tenant", "").strip() or None,
    )
    if not wanted.webhook_token.strip():
        raise field_invalid("webhook_token is the last part of the receive_url")
    whose = "any tenant that an event names" if wanted.tenant is None else f"{wanted.tenant} alone"
    intent = Intent(
        "Fetch this inbox?",
        f"The drains fetch it from now on and book what it holds for {whose}. What it keeps already counts too, once.",
        "Fetch it",
        "/sources",
    )
    first = asked_first(request, viewer, fields, intent)
    if first is not None:
        return first
    await add(site, viewer.principal, wanted)
    return back_to("/sources")


@post("/sources/remove", guards=[admin], status_code=200)
async def remove_source(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """Say what is fetched no more, then remove it."""
    fields = await changed(request)
    name = fields.get("name", "")
    intent = Intent(
        "Fetch this source no more?",
        f"{name} is not fetched any more. Which of its requests were taken is forgotten: what it still keeps would be "
        "looked at again where it is added later, and counted once all the same.",
        "Remove it",
        "/sources",
        danger=True,
    )
    first = asked_first(request, viewer, fields, intent)
    if first is not None:
        return first
    await remove(site, viewer.principal, name)
    return back_to("/sources")


@post("/sources/webhooks", guards=[admin], status_code=200)
async def make_webhook(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """Say what an address will take, then make it and show it once."""
    fields = await changed(request)
    tenant = fields.get("tenant", "").strip() or None
    whose = tenant or viewer.principal.tenant
    reach = "of any tenant" if whose is None else f"of {whose} alone"
    intent = Intent(
        "Make this webhook?",
        f"Whoever knows its address may report calls, {reach}, without a key.",
        "Make it",
        "/sources",
    )
    first = asked_first(request, viewer, fields, intent)
    if first is not None:
        return first
    made = await make(site, viewer.principal, WebhookRequest(source=fields.get("source", "").strip(), tenant=tenant))
    shown = {
        "secret": made.receive_path,
        "title_of": "Your new webhook",
        "back": "/sources",
        "said": "This path, behind the address of the API, is the secret.",
    }
    return page(request, viewer, "made.html", "Webhook made", shown)


@post("/sources/webhooks/revoke", guards=[admin], status_code=200)
async def revoke_webhook(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """Say what is revoked, then revoke it."""
    fields = await changed(request)
    token_id = fields.get("token_id", "")
    hooks = await webhooks_of(site, viewer.principal)
    row = next((one for one in hooks.rows if one.token_id == token_id and one.revoked_at is None), None)
    if row is None:
        raise not_found("no such webhook is in force")
    intent = Intent(
        "Revoke this webhook?",
        f"The address of {row.source} ({token_id}) is unknown within a second: what is sent there is refused.",
        "Revoke it",
        "/sources",
        danger=True,
    )
    first = asked_first(request, viewer, fields, intent)
    if first is not None:
        return first
    await revoke(site, viewer.principal, token_id)
    return back_to("/sources")
