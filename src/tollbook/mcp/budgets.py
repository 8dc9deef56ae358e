"""Tools that look at budgets and change them: always shown first, and set only as shown."""

from datetime import UTC, date, datetime

import msgspec
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import ConfigDict, Field

from tollbook.domain.budget import EACH, Action, Fail, Mode
from tollbook.domain.budget import Budget as Declared
from tollbook.domain.meter import ScopeKind, WindowKind
from tollbook.domain.money import nanos_from_usd, usd_text
from tollbook.domain.terms import Terms, terms_of
from tollbook.mcp.backtest import Backtest, backtest, day_of
from tollbook.mcp.connection import Caller, segment
from tollbook.mcp.proposals import Change, Proposals
from tollbook.mcp.shapes import Budget, Budgets, OwnKey, Shape, Status

_PAGE = 1_000


class WishedTerms(Shape):
    """What a budget limits and what follows: `window` and exactly one of the three limits are needed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: WindowKind = Field(description="In the tenant's time zone; `run`: for as long as a run lasts.")
    limit_usd: str | None = Field(default=None, description="US dollars as decimal text, such as 12.50.")
    limit_tokens: int | None = None
    limit_calls: int | None = None
    scope: ScopeKind = Field(
        default=ScopeKind.TENANT, description="Where spend counts; agent: a path of roles, with all below."
    )
    match: str = Field(
        default=EACH, description="One value of the scope, or `*` for each by itself; a tag's `key=value`."
    )
    thresholds: list[int] = Field(default=[50, 80, 100], description="Per cent that raise an alert.")
    action: Action = Field(default=Action.THROTTLE, description="At the limit: throttle, block, degrade or notify.")
    degrade_to: str | None = Field(default=None, description="A cheaper model, with the action degrade.")
    mode: Mode | None = Field(default=None, description="What a hold is charged: strict, the upper bound; expected.")
    fail: Fail | None = Field(default=None, description="While the stores are away: open or closed.")
    expires_at: str | None = Field(default=None, description="RFC 3339 with an offset; null: it does not end.")


class Difference(Shape):
    """A member of the budget that changes."""

    member: str
    before: object
    after: object


class Proposal(Shape):
    """What a budget would become and what that would mean. Nothing has changed yet."""

    proposal: str | None = Field(description="Hand it to `set_budget` within 15 minutes; null: this key may not set.")
    budget_id: str
    tenant: str | None = Field(description="Whose budget; null: everyone's, for each tenant without an own one.")
    before: Budget | None = Field(description="What stands now; null: nothing of this id.")
    default: Budget | None = Field(description="Everyone's, which holds for this tenant as long as it has no own one.")
    differences: list[Difference] = Field(description="Against `before`, or else `default`.")
    would_have: Backtest
    next_step: str


class SetBudget(Shape):
    """The budget in force."""

    budget: Budget


async def listed(caller: Caller, *, tenant: str, limit: int, cursor: str) -> Budgets:
    """A page of budgets in force."""
    return await caller.get("/v1/budgets", Budgets, {"tenant": tenant, "limit": limit, "cursor": cursor})


async def proposed(
    caller: Caller, proposals: Proposals, *, budget_id: str, tenant: str, terms: WishedTerms, now: datetime
) -> Proposal:
    """Show what a budget would become; kept for `made` where the key may set it."""
    key = await caller.get("/v1/key", OwnKey)
    owner = tenant or key.tenant
    try:
        wished = msgspec.convert(terms.model_dump(mode="json"), Terms)
        declared = wished.budget(budget_id, owner)
    except (ValueError, msgspec.ValidationError) as error:
        raise ToolError(f"field_invalid: {error}. Correct the arguments.") from error
    before = await caller.found(f"/v1/budgets/{segment(budget_id)}", Budget, {"tenant": owner})
    default = await _default(caller, declared)
    would_have = await backtest(caller, declared, await _today(caller, owner, now))
    after = terms_of(declared)
    kept = None
    if key.role == "admin" and (owner is not None or key.tenant is None):
        version = 0 if before is None else before.version
        kept = proposals.keep(caller.key, Change(budget_id, owner, after, version))
    return Proposal(
        proposal=kept,
        budget_id=budget_id,
        tenant=owner,
        before=before,
        default=default,
        differences=_differences(before or default, after),
        would_have=would_have,
        next_step=_next_step(kept),
    )


async def made(caller: Caller, proposals: Proposals, proposal: str) -> SetBudget:
    """Set a budget exactly as it was proposed, and only if it still stands as it stood then."""
    change = proposals.take(caller.key, proposal)
    if change is None:
        raise ToolError(
            "proposal_unknown: no such proposal waits under this key: it was set already, is older than 15 minutes, "
            "or this server was started anew. Call `propose_budget` again and look at what it shows."
        )
    query = {"tenant": change.tenant, "expected_version": change.version}
    body = msgspec.to_builtins(change.terms)
    return SetBudget(budget=await caller.put(f"/v1/budgets/{segment(change.budget_id)}", Budget, query, body))


async def _default(caller: Caller, declared: Declared) -> Budget | None:
    """Everyone's budget of the same meter as a tenant's. Raises `ToolError` where another of the same owner has it."""
    default = None
    cursor = ""
    while True:
        page = await listed(caller, tenant=declared.tenant or "", limit=_PAGE, cursor=cursor)
        for row in page.rows:
            if (row.scope, row.match, row.window, _unit(row)) != (
                declared.scope,
                declared.match,
                declared.window,
                declared.unit,
            ):
                continue
            if row.tenant != declared.tenant:
                default = row if row.tenant is None else default
            elif row.id != declared.id:
                raise ToolError(
                    f"budget_clash: the budget {row.id} already limits the same. Propose a change of that one."
                )
        cursor = page.next or ""
        # Everyone's come first: behind them there are only tenants' own.
        if not cursor or (declared.tenant is None and page.rows[-1].tenant is not None):
            return default


async def _today(caller: Caller, owner: str | None, now: datetime) -> date:
    if owner is None:
        return now.astimezone(UTC).date()
    return day_of((await caller.get(f"/v1/tenants/{segment(owner)}/status", Status)).day)


def _unit(row: Budget) -> str:
    if row.limit_usd is not None:
        return "usd"
    return "tokens" if row.limit_tokens is not None else "calls"


def _differences(before: Budget | None, after: Terms) -> list[Difference]:
    new = msgspec.to_builtins(after)
    old = {} if before is None else before.model_dump(mode="json")
    return [
        Difference(member=member, before=old.get(member), after=value)
        for member, value in new.items()
        if _canonical(member, old.get(member)) != _canonical(member, value)
    ]


def _canonical(member: str, value: object) -> object:
    """A value in one form, whoever wrote it."""
    if value is None:
        return None
    if member == "limit_usd":
        return usd_text(nanos_from_usd(str(value)))
    if member == "expires_at":
        return datetime.fromisoformat(str(value))
    return list(value) if isinstance(value, tuple) else value


def _next_step(proposal: str | None) -> str:
    if proposal is None:
        return (
            "Nothing has changed. Your key may not set budgets: show this to whoever holds an admin key, "
            "with what you need it for."
        )
    return (
        "Nothing has changed yet. Show `differences` and `would_have` to whoever asked for it; "
        "if they agree, call `set_budget` with this `proposal`."
    )
