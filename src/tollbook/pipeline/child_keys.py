"""Keys made by keys: a sub-agent's speaks for part of what its parent does, has a share, and ends with it."""

from datetime import datetime

import msgspec

from tollbook.domain.access import Principal, Role, StoredKey
from tollbook.domain.agent import fault, roles
from tollbook.domain.budget import Action, shares_of
from tollbook.domain.meter import ScopeKind, WindowKind
from tollbook.domain.terms import Terms
from tollbook.pipeline.directory import drawn_key
from tollbook.ports.config import BudgetChange, BudgetsChanged, Config, KeyListing


class Share(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a child may spend: exactly one limit, a window (null: its run's where it has one, else a day's)."""

    limit_usd: str | int | None = None
    limit_tokens: int | None = None
    limit_calls: int | None = None
    window: WindowKind | None = None


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a key is to be bound to; null: as its parent."""

    role: Role
    tenant: str | None = None
    agent: str | None = None
    run: str | None = None
    expires_at: datetime | None = None
    share: Share | None = None
    calls_per_minute: int | None = None
    note: str = ""


class Minted(msgspec.Struct, frozen=True):
    """A key just made: its text is shown once."""

    key: StoredKey
    text: str
    made: BudgetsChanged


async def mint_child(config: Config, parent: Principal, wish: Wish, now: datetime, *, by: str) -> Minted:
    """Make a key below another, with its shares.

    Raises `ValueError` where it would be no narrower than its parent, `BudgetClash` where a budget limits the same.
    """
    key, text = drawn_key(narrowed(parent, wish, now), parent.key_id)
    made = await config.add_key(key, wish.note, by, shares(key.principal, wish), now)
    return Minted(key, text, made)


def principal_of(row: KeyListing) -> Principal:
    """Who a listed key speaks for."""
    return Principal(row.key_id, Role(row.role), row.tenant, row.agent, row.run, row.expires_at)


def narrowed(parent: Principal, wish: Wish, now: datetime) -> Principal:
    """The bounds of a child; its id is yet to be drawn. Raises `ValueError` where a bound would be wider.

    >>> from datetime import UTC
    >>> boss = Principal("k", Role.INGEST, "acme", "planner")
    >>> narrowed(boss, Wish(role=Role.INGEST, agent="planner/fetch"), datetime(2026, 1, 1, tzinfo=UTC)).agent
    'planner/fetch'
    """
    if parent.expires_at is not None and parent.expires_at <= now:
        raise ValueError("the parent has ended")
    if parent.role is not Role.ADMIN and wish.role is not parent.role:
        raise ValueError(f"a key below one that may {parent.role} may do no more")
    tenant = parent.tenant if wish.tenant is None else wish.tenant
    if parent.tenant not in (None, tenant):
        raise ValueError("the parent is bound to another tenant")
    agent, run = wish.agent or parent.agent, wish.run or parent.run
    if (agent is not None or run is not None) and wish.role is not Role.INGEST:
        raise ValueError("agent and run bind a key of the role ingest")
    why = None if agent is None else fault(agent)
    if why is not None:
        raise ValueError(f"agent is no path like planner/researcher: {why}")
    if not parent.covers(agent or "", run):
        raise ValueError("agent and run must lie within what the parent is bound to")
    ends = [end for end in (parent.expires_at, wish.expires_at) if end is not None]
    if wish.expires_at is not None and (wish.expires_at.tzinfo is None or wish.expires_at <= now):
        raise ValueError("expires_at is an instant to come, with an offset")
    return Principal("", wish.role, tenant, agent, run, min(ends, default=None))


def shares(child: Principal, wish: Wish) -> list[BudgetChange]:
    """The budgets that are a child's shares. Raises `ValueError` where they would limit more than the child."""
    if wish.share is None and wish.calls_per_minute is None:
        return []
    if child.tenant is None:
        raise ValueError("a share is of a tenant's budget: bind the key to one")
    scope, match = _scope_of(child)
    window = WindowKind.DAY if child.run is None else WindowKind.RUN
    share_id, calls_id = shares_of(child.key_id)
    found: list[tuple[str, Terms]] = []
    if wish.share is not None:
        limits = {name: getattr(wish.share, name) for name in ("limit_usd", "limit_tokens", "limit_calls")}
        found.append((share_id, Terms(scope=scope, match=match, window=wish.share.window or window, **limits)))
    if wish.calls_per_minute is not None:
        calls = Terms(scope=scope, match=match, window=WindowKind.MINUTE, limit_calls=wish.calls_per_minute)
        found.append((calls_id, calls))
    changes: list[BudgetChange] = []
    for budget_id, terms in found:
        refusing = msgspec.structs.replace(terms, action=Action.BLOCK, expires_at=child.expires_at)
        changes.append(BudgetChange(child.tenant, budget_id, refusing.budget(budget_id, child.tenant, of_key=True)))
    return changes


def _scope_of(child: Principal) -> tuple[ScopeKind, str]:
    if child.run is not None:
        if child.agent is None:
            return ScopeKind.RUN, child.run
        return ScopeKind.INSTANCE, f"{child.run}/{child.agent}"
    if child.agent is None:
        raise ValueError("a share needs an agent or a run that it is for")
    if roles(child.agent) != child.agent:
        raise ValueError("an instance lives in a run: name the run too")
    return ScopeKind.AGENT, child.agent
