"""Budgets: what may be spent, by whom and until when; and who changed it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

from tollbook.domain.access import Principal
from tollbook.domain.budget import DEFAULT_DAILY, Action, Fail, Mode
from tollbook.domain.budget import Budget as Kept
from tollbook.domain.errors import BudgetClash, BudgetMoved
from tollbook.domain.meter import ScopeKind, WindowKind
from tollbook.domain.terms import Terms, terms_of
from tollbook.ports.config import BudgetChange, BudgetListing, BudgetRevision
from tollbook.views.asking import changer, name_of, own_tenant
from tollbook.views.desk import Desk
from tollbook.views.figures import time_text
from tollbook.views.problems import Problem, forbidden, not_found, query_invalid


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """A budget in force. `tenant` is null for everyone's; one of the three limits is not null."""

    id: str
    tenant: str | None
    scope: ScopeKind
    match: str
    window: WindowKind
    limit_usd: str | None
    limit_tokens: int | None
    limit_calls: int | None
    thresholds: tuple[int, ...]
    action: Action
    degrade_to: str | None
    mode: Mode | None
    fail: Fail | None
    expires_at: str | None
    version: int
    updated_at: str
    updated_by: str


class Budgets(msgspec.Struct, frozen=True):
    """Everyone's first, then tenants' by name; `next` is the `cursor` of the page behind this one, null on the last."""

    rows: list[Budget]
    next: str | None


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One change; `budget` is what was set, null where it was removed."""

    version: int
    changed_at: str
    changed_by: str
    budget: Terms | None


class Revisions(msgspec.Struct, frozen=True):
    """Newest first."""

    rows: list[Revision]


async def listed(desk: Desk, principal: Principal, *, tenant: str | None, cursor: str | None, limit: int) -> Budgets:
    """Everyone's budgets and the tenants' own; a key bound to a tenant sees everyone's and its own."""
    whose = own_tenant(principal, None if tenant is None else name_of(tenant, "tenant"))
    after = ("", "") if cursor is None else _cursor_of(cursor)
    found = await desk.config.budgets(None if whose is None else [None, whose], after, limit + 1)
    page = found[:limit]
    return Budgets([shown(row) for row in page], _cursor_text(page[-1].budget) if len(found) > limit else None)


async def one(desk: Desk, principal: Principal, budget_id: str, tenant: str | None) -> Budget:
    """A tenant's own budget, or everyone's; not which of the two holds for a call."""
    owner = own_tenant(principal, None if tenant is None else name_of(tenant, "tenant"))
    return await _found(desk, owner, budget_id)


async def revisions(desk: Desk, principal: Principal, budget_id: str, tenant: str | None) -> Revisions:
    """The last hundred changes, whole, with who made them and when; a removed budget's too."""
    owner = own_tenant(principal, None if tenant is None else name_of(tenant, "tenant"))
    found = await desk.config.budget_revisions(owner, budget_id)
    if not found:
        raise not_found("there never was a budget of this id")
    return Revisions([_revision(row) for row in found])


async def put(
    desk: Desk, principal: Principal, budget_id: str, tenant: str | None, data: Terms, *, expected: int | None = None
) -> Budget:
    """Create or replace a budget: in force before this returns, with what was spent in windows still open.

    `expected` is the version that must stand, 0 for none; None: whatever stands.
    """
    owner = _changing(principal, tenant)
    try:
        kept = data.budget(budget_id, owner)
    except ValueError as error:
        raise Problem(400, "field_invalid", str(error)) from error
    await make(desk, [BudgetChange(owner, budget_id, kept, expected)], principal)
    return await _found(desk, owner, budget_id)


async def remove(desk: Desk, principal: Principal, budget_id: str, tenant: str | None) -> None:
    """Remove a budget; where everyone's has the same meter, that one holds again."""
    owner = _changing(principal, tenant)
    await _found(desk, owner, budget_id)
    if owner is None and budget_id == DEFAULT_DAILY:
        raise Problem(409, "budget_kept", "everyone's daily limit cannot be removed: set another")
    await make(desk, [BudgetChange(owner, budget_id, None)], principal)


async def make(desk: Desk, changes: list[BudgetChange], principal: Principal) -> None:
    """Make changes and put them in force; raises a 409 where two name the same meters, or one has moved."""
    try:
        made = await desk.config.change_budgets(changes, changer(principal), desk.clock.now())
    except BudgetClash as clash:
        raise Problem(409, "budget_clash", str(clash)) from clash
    except BudgetMoved as moved:
        raise Problem(409, "budget_moved", f"{moved}: look at it, and decide anew") from moved
    await desk.budgets.enforce(made)


def shown(row: BudgetListing) -> Budget:
    """A budget as the API shows it."""
    kept = row.budget
    terms = terms_of(kept)
    return Budget(
        id=kept.id,
        tenant=kept.tenant,
        scope=terms.scope,
        match=terms.match,
        window=terms.window,
        limit_usd=None if terms.limit_usd is None else str(terms.limit_usd),
        limit_tokens=terms.limit_tokens,
        limit_calls=terms.limit_calls,
        thresholds=terms.thresholds,
        action=terms.action,
        degrade_to=terms.degrade_to,
        mode=terms.mode,
        fail=terms.fail,
        expires_at=None if terms.expires_at is None else time_text(terms.expires_at),
        version=row.version,
        updated_at=time_text(row.updated_at),
        updated_by=row.updated_by,
    )


async def _found(desk: Desk, owner: str | None, budget_id: str) -> Budget:
    row = await desk.config.budget(owner, budget_id)
    if row is None:
        raise not_found("there is no budget of this id")
    return shown(row)


def _changing(principal: Principal, tenant: str | None) -> str | None:
    owner = own_tenant(principal, None if tenant is None else name_of(tenant, "tenant"))
    if owner is None and principal.tenant is not None:
        raise forbidden("everyone's budgets need an admin key that is bound to no tenant")
    return owner


def _revision(row: BudgetRevision) -> Revision:
    return Revision(
        version=row.version,
        changed_at=time_text(row.changed_at),
        changed_by=row.changed_by,
        budget=None if row.budget is None else terms_of(row.budget),
    )


def _cursor_text(last: Kept) -> str:
    return urlsafe_b64encode(msgspec.json.encode((last.tenant or "", last.id))).decode()


def _cursor_of(text: str) -> tuple[str, str]:
    try:
        return msgspec.json.decode(urlsafe_b64decode(text), type=tuple[str, str])
    except (ValueError, msgspec.DecodeError) as error:
        raise query_invalid("cursor: take it from `next` of the page before, unchanged") from error
