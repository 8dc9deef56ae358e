"""Keys: who may do what; made and revoked."""

from litestar import get, post

from tollbook.domain.access import Role
from tollbook.views.keys import Key, KeyRequest, listed, make, revoke
from tollbook.views.problems import field_invalid, not_found
from tollbook.web.access import SiteGiven, Who, admin, changed
from tollbook.web.answering import Sheet, View, answered
from tollbook.web.asked import asked
from tollbook.web.changing import Intent, asked_first, back_to, page
from tollbook.web.session import Answer, PageRequest

_COLUMNS = (*("key_id", "role", "tenant", "note", "parent", "agent", "run", "expires_at", "created_at", "revoked_at"),)
_MAY = {
    Role.READ: "read spend, entries, runs and status",
    Role.INGEST: "send events and ask the gate",
    Role.ADMIN: "do everything",
}
_ROWS = 500


@get("/keys", guards=[admin])
async def keys(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """Keys in force; with `all`, revoked ones too."""

    async def look() -> View:
        found = await listed(site, viewer.principal)
        everything = asked(request, "all") == "yes"
        rows = [row for row in found.rows if everything or row.revoked_at is None]
        sheet = Sheet(_COLUMNS, (tuple(getattr(row, column) for column in _COLUMNS) for row in rows))
        shown = {
            "rows": rows[:_ROWS],
            "hidden": len(rows) - _ROWS,
            "revoked": len(found.rows) - len(rows),
            "everything": everything,
            "roles": [(role.value, f"{role.value}: {may}") for role, may in _MAY.items()],
            "own": viewer.principal.key_id,
        }
        return View("keys.html", "Keys", rows, sheet, shown)

    return await answered(request, viewer, look)


@post("/keys", guards=[admin], status_code=200)
async def make_key(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """Say what a key will be able to do, then make it and show it once."""
    fields = await changed(request)
    tenant = fields.get("tenant", "").strip() or None
    role = next((role for role in Role if role.value == fields.get("role")), None)
    if role is None:
        raise field_invalid("role: admin, ingest or read")
    whose = tenant or viewer.principal.tenant
    intent = Intent(
        "Make this key?",
        f"Whoever has it may {_MAY[role]}, {'for all tenants' if whose is None else f'for {whose} alone'}. "
        "It is shown once and kept as a hash.",
        "Make it",
        "/keys",
        danger=role is Role.ADMIN,
    )
    first = asked_first(request, viewer, fields, intent)
    if first is not None:
        return first
    made = await make(site, viewer.principal, KeyRequest(role=role, tenant=tenant, note=fields.get("note", "").strip()))
    shown = {"secret": made.key, "title_of": "Your new key", "back": "/keys", "said": f"It may {_MAY[role]}."}
    return page(request, viewer, "made.html", "Key made", shown)


@post("/keys/revoke", guards=[admin], status_code=200)
async def revoke_key(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """Say what is revoked, then revoke it."""
    fields = await changed(request)
    key_id = fields.get("key_id", "")
    found = (await listed(site, viewer.principal)).rows
    row = next((one for one in found if one.key_id == key_id and one.revoked_at is None), None)
    if row is None:
        raise not_found("no such key is in force")
    below = _below(row, found)
    also = f" So are the {below} keys below it." if below else ""
    yours = (
        " It is the key that you are signed in with: you will be signed out."
        if key_id == viewer.principal.key_id
        else ""
    )
    whose = row.tenant or "all tenants"
    intent = Intent(
        "Revoke this key?",
        f"The {row.role} key {key_id} of {whose} is refused everywhere within a second.{also}{yours}",
        "Revoke it",
        "/keys",
        danger=True,
    )
    first = asked_first(request, viewer, fields, intent)
    if first is not None:
        return first
    await revoke(site, viewer.principal, key_id)
    return back_to("/keys")


def _below(row: Key, found: list[Key]) -> int:
    waiting, count = [row.key_id], 0
    while waiting:
        parent = waiting.pop()
        children = [one.key_id for one in found if one.parent == parent and one.revoked_at is None]
        count += len(children)
        waiting += children
    return count
