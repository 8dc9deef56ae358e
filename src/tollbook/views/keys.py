"""Keys: who may do what; made, listed and revoked."""

from contextlib import suppress
from datetime import datetime

import msgspec

from tollbook.domain.access import Principal, Role
from tollbook.domain.errors import BudgetClash, StoreError
from tollbook.pipeline.child_keys import Share, Wish, mint_child, principal_of
from tollbook.pipeline.directory import drawn_key
from tollbook.ports.config import KeyListing
from tollbook.views.asking import changer, name_of, own_tenant
from tollbook.views.desk import Desk
from tollbook.views.figures import time_text
from tollbook.views.problems import Problem, forbidden, not_found


class KeyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to make: its role, the tenant it is bound to (null: all), and a note for people.

    With `parent`, or asked for by an ingest key, it is a sub-agent's: bound further, with a share, revoked with its
    parent.
    """

    role: Role
    tenant: str | None = None
    note: str = ""
    parent: str | None = None
    agent: str | None = None
    run: str | None = None
    expires_at: datetime | None = None
    share: Share | None = None
    calls_per_minute: int | None = None


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key just made. `key` is shown this once."""

    key_id: str
    key: str
    role: Role
    tenant: str | None
    note: str
    parent: str | None = None
    agent: str | None = None
    run: str | None = None
    expires_at: str | None = None


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret; `revoked_at` is null while it is in force, `parent` where no key made it."""

    key_id: str
    role: Role
    tenant: str | None
    note: str
    parent: str | None
    agent: str | None
    run: str | None
    expires_at: str | None
    created_at: str
    revoked_at: str | None


class Keys(msgspec.Struct, frozen=True):
    """Newest first."""

    rows: list[Key]


async def make(desk: Desk, principal: Principal, data: KeyRequest) -> NewKey:
    """Make a key. A key that is bound to a tenant makes keys of the same; an ingest key makes keys below itself."""
    tenant = own_tenant(principal, None if data.tenant is None else name_of(data.tenant, "tenant"))
    note = name_of(data.note, "note") if data.note else ""
    parent = await _parent(desk, principal, data.role, data.parent)
    if parent is None:
        if any((data.agent, data.run, data.expires_at, data.share, data.calls_per_minute is not None)):
            raise Problem(400, "field_invalid", "only a key with a parent is bound to agents, runs, ends or shares")
        stored, text = drawn_key(Principal("", data.role, tenant))
        await desk.config.add_key(stored, note, changer(principal))
    else:
        wish = Wish(
            role=data.role,
            tenant=tenant,
            agent=None if data.agent is None else name_of(data.agent, "agent"),
            run=None if data.run is None else name_of(data.run, "run"),
            expires_at=data.expires_at,
            share=data.share,
            calls_per_minute=data.calls_per_minute,
            note=note,
        )
        try:
            minted = await mint_child(desk.config, parent, wish, desk.clock.now(), by=changer(principal))
        except ValueError as error:
            raise Problem(400, "field_invalid", str(error)) from error
        except BudgetClash as clash:
            raise Problem(409, "budget_clash", str(clash)) from clash
        await desk.budgets.enforce(minted.made)
        stored, text = minted.key, minted.text
    await refreshed(desk)
    who = stored.principal
    return NewKey(
        key_id=who.key_id,
        key=text,
        role=who.role,
        tenant=who.tenant,
        note=note,
        parent=stored.parent,
        agent=who.agent,
        run=who.run,
        expires_at=None if who.expires_at is None else time_text(who.expires_at),
    )


async def listed(desk: Desk, principal: Principal) -> Keys:
    """Every key ever made, without secrets; a bound admin sees those of its tenant, an ingest key those below it."""
    found = await desk.config.list_keys()
    if principal.role is not Role.ADMIN:
        below = _below(principal.key_id, found)
        return Keys([_shown(row) for row in found if row.key_id in below])
    return Keys([_shown(row) for row in found if principal.tenant in (None, row.tenant)])


async def revoke(desk: Desk, principal: Principal, key_id: str) -> None:
    """Revoke a key and every key below it: refused everywhere within a second. An ingest key revokes those below it."""
    name = name_of(key_id, "key_id")
    line = await desk.config.key_line(name)
    above = {row.key_id for row in line[1:]}
    admits = bool(line) and principal.tenant in (None, line[0].tenant)
    if not admits or (principal.role is not Role.ADMIN and principal.key_id not in above):
        raise not_found("no such key is in force")
    made = await desk.config.revoke_key(name, desk.clock.now(), changer(principal))
    if made is None:
        raise not_found("no such key is in force")
    await desk.budgets.enforce(made)
    await refreshed(desk)


async def refreshed(desk: Desk) -> None:
    """Bring a change to this process at once; the others, and a failure here, are up to the next refresh."""
    with suppress(StoreError):
        await desk.directory.refresh()


async def _parent(desk: Desk, principal: Principal, role: Role, asked: str | None) -> Principal | None:
    if principal.role is not Role.ADMIN:
        if role is not principal.role:
            raise forbidden("an ingest key makes ingest keys alone")
        if asked not in (None, principal.key_id):
            raise forbidden("an ingest key makes keys below itself alone")
        return principal
    if asked is None:
        return None
    line = await desk.config.key_line(name_of(asked, "parent"))
    if not line or principal.tenant not in (None, line[0].tenant):
        raise not_found("no such parent is in force")
    return principal_of(line[0])


def _below(key_id: str, listed: list[KeyListing]) -> set[str]:
    children: dict[str | None, list[str]] = {}
    for row in listed:
        children.setdefault(row.parent, []).append(row.key_id)
    found: set[str] = set()
    waiting = [key_id]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting += below
    return found


def _shown(row: KeyListing) -> Key:
    return Key(
        key_id=row.key_id,
        role=Role(row.role),
        tenant=row.tenant,
        note=row.note,
        parent=row.parent,
        agent=row.agent,
        run=row.run,
        expires_at=None if row.expires_at is None else time_text(row.expires_at),
        created_at=time_text(row.created_at),
        revoked_at=None if row.revoked_at is None else time_text(row.revoked_at),
    )
