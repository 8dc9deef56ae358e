"""The audit trail: who changed keys, budgets, prices, sources, hooks and zones."""

from typing import Any

import msgspec

from tollbook.domain.access import Principal
from tollbook.ports.changes import Change, ChangeAction, ChangeKind
from tollbook.views.asking import name_of, own_tenant
from tollbook.views.desk import Desk
from tollbook.views.figures import time_text
from tollbook.views.problems import query_invalid


class ChangeShown(msgspec.Struct, frozen=True, kw_only=True):
    """One change. `tenant` is null for what is everyone's; `before` and `after` are what was kept, without secrets."""

    change_id: str
    at: str
    by: str
    kind: ChangeKind
    action: ChangeAction
    tenant: str | None
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class ChangesShown(msgspec.Struct, frozen=True):
    """Newest first; `next` is the `cursor` of the page behind it, null on the last."""

    rows: list[ChangeShown]
    next: str | None


async def changes(
    desk: Desk, principal: Principal, *, tenant: str | None, kind: str | None, cursor: str | None, limit: int
) -> ChangesShown:
    """A page of changes; a bound key sees those of its tenant."""
    whose = own_tenant(principal, None if tenant is None else name_of(tenant, "tenant"))
    if kind is not None and kind not in set(ChangeKind):
        raise query_invalid(f"kind: there are {', '.join(ChangeKind)}")
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise query_invalid("cursor: take it from `next` of the page before, unchanged")
    before = None if cursor is None else int(cursor)
    found = await desk.changes.page(whose, None if kind is None else ChangeKind(kind), before, limit + 1)
    page = found[:limit]
    return ChangesShown([_shown(one) for one in page], str(page[-1].change_id) if len(found) > limit else None)


def _shown(one: Change) -> ChangeShown:
    return ChangeShown(
        change_id=str(one.change_id),
        at=time_text(one.changed_at),
        by=one.changed_by,
        kind=ChangeKind(one.kind),
        action=ChangeAction(one.action),
        tenant=one.tenant or None,
        name=one.name,
        before=None if one.before is None else msgspec.json.decode(one.before),
        after=None if one.after is None else msgspec.json.decode(one.after),
    )
