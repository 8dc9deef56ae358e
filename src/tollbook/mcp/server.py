"""The tools, resources and prompts as a language model finds them."""

from collections.abc import Callable
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx2
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from tollbook.domain.alert import AlertKind
from tollbook.mcp import budgets, entries, reading, texts
from tollbook.mcp.connection import Caller, page
from tollbook.mcp.proposals import Proposals
from tollbook.mcp.shapes import (
    Alerts,
    Budgets,
    Fleet,
    Forecast,
    OwnKey,
    RunExplained,
    Runs,
    Spend,
    Status,
    Tenants,
)
from tollbook.ports.clock import Clock
from tollbook.ports.reading import Dimension

Ctx = Context[Any, Any]
KeyOf = Callable[[Ctx], str]
"""The key of whoever makes a request. It never answers with anybody else's."""

_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_SHOWS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
_SETS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False)

# An optional name is text with '' for none: the SDK reads the text `null` of an optional one as none, and a tenant may
# be called so.
Tenant = Annotated[
    str, Field(max_length=256, description="Exact name; left out: the key's own, or all where it has none.")
]
OneTenant = Annotated[str, Field(max_length=256, description="Exact name; left out: the key's own.")]
Named = Annotated[str, Field(max_length=512, description="Exact name; left out: any.")]
Moment = Annotated[str, Field(max_length=40, description="RFC 3339 with an offset, such as 2026-11-28T12:00:00Z.")]
Least = Annotated[str, Field(pattern=r"^(\d+(\.\d{1,9})?)?$", description="Dollars as decimal text; left out: any.")]
EntryFlag = Literal["", "unpriced", "corrected", "reported_differs", "context_unknown", "units_unpriced"]
Day = Annotated[
    str, Field(pattern=r"^(\d{4}-\d{2}-\d{2})?$", description="YYYY-MM-DD in the tenant's zone; left out: today.")
]
Cursor = Annotated[str, Field(max_length=2048, description="`next` of the page before; left out: the first page.")]
Order = Literal["spent", "name"]
Rows = Annotated[int, Field(ge=1, le=1000)]


def build(http: httpx2.AsyncClient, key_of: KeyOf, clock: Clock, *, version: str) -> MCPServer:
    """The server over an API, for callers whose keys `key_of` finds."""
    server = MCPServer(
        "tollbook",
        title="tollbook",
        instructions=texts.INSTRUCTIONS,
        version=version,
        log_level="WARNING",
        subscriptions=False,
    )

    def caller(context: Ctx) -> Caller:
        return Caller(http, key_of(context))

    _add_reading(server, caller)
    _add_calls(server, caller)
    _add_lists(server, caller, clock)
    _add_looking_ahead(server, caller)
    _add_budgets(server, caller, clock)
    _add_texts(server, http)
    return server


async def _tenant(caller: Caller, tenant: str) -> str:
    """The tenant asked for, or the key's own; refused where it is neither."""
    if tenant:
        return tenant
    own = (await caller.get("/v1/key", OwnKey)).tenant
    if own is None:
        raise ToolError("field_missing: this key sees all tenants. Name one as `tenant`.")
    return own


def _add_reading(server: MCPServer, caller: Callable[[Ctx], Caller]) -> None:
    @server.tool(title="What this key is", annotations=_READS)
    async def own_key(context: Ctx) -> OwnKey:
        """The role and the tenant of the key in use: `read` reads, `ingest` may ask for the status alone, `admin` may
        set budgets. A key with a tenant sees and changes that tenant only."""
        return await caller(context).get("/v1/key", OwnKey)

    @server.tool(title="Read spend", annotations=_READS)
    async def read_spend(
        context: Ctx,
        *,
        tenant: Tenant = "",
        from_day: Day = "",
        to_day: Day = "",
        by: Annotated[list[Dimension], Field(max_length=5, description="Group by these; none: the total alone.")] = [],  # noqa: B006 - pydantic copies it
        rows_max: Rows = reading.ROWS_MAX,
    ) -> Spend:
        """What was spent over days, both included, at most 400: calls, dollars and tokens, in all and by group, the
        dearest first (by time where `day` or `hour` is asked for). Only what is booked counts; `tenant_status` also has
        what is pending."""
        return await reading.spend(
            caller(context), tenant=tenant, from_day=from_day, to_day=to_day, by=by, rows_max=rows_max
        )

    @server.tool(title="Status of a tenant", annotations=_READS)
    async def tenant_status(context: Ctx, tenant: OneTenant = "") -> Status:
        """A tenant's day at this moment: spent, limit, what remains, whether it is throttled and until when."""
        who = caller(context)
        return await reading.status(who, await _tenant(who, tenant))

    @server.tool(title="Explain what a run cost", annotations=_READS)
    async def explain_run(
        context: Ctx,
        run: Annotated[str, Field(max_length=256, description="Exact name of the run.")],
        tenant: Tenant = "",
    ) -> RunExplained:
        """Where a run's money went: each agent instance with what it spent itself and with all below it, each model,
        and the costliest path through the tree of agents."""
        return await reading.run(caller(context), run, tenant)


def _add_calls(server: MCPServer, caller: Callable[[Ctx], Caller]) -> None:
    @server.tool(title="List runs", annotations=_READS)
    async def list_runs(
        context: Ctx,
        *,
        tenant: Tenant = "",
        agent: Named = "",
        model: Named = "",
        since: Moment = "",
        until: Moment = "",
        min_cost_usd: Least = "",
        limit: Rows = 20,
        cursor: Cursor = "",
    ) -> Runs:
        """Runs with what they came to, those that began last first; of an agent, a model, a time, or above a cost."""
        asked = {"tenant": tenant, "agent": agent, "model": model, "from": since, "to": until}
        return await reading.runs(
            caller(context), {**asked, "min_cost_usd": min_cost_usd, "limit": limit, "cursor": cursor}
        )

    @server.tool(title="List calls", annotations=_READS)
    async def list_entries(
        context: Ctx,
        *,
        tenant: Tenant = "",
        agent: Named = "",
        model: Named = "",
        run: Named = "",
        since: Moment = "",
        until: Moment = "",
        min_cost_usd: Least = "",
        flag: EntryFlag = "",
        limit: Rows = 20,
        cursor: Cursor = "",
    ) -> entries.Entries:
        """Single calls as booked, newest first; of an agent and all below it, a model, a run, a time, above a cost, or
        with a flag. A page may be short while `next` is not null: go on."""
        asked = {"tenant": tenant, "agent": agent, "model": model, "run": run, "from": since, "to": until}
        return await entries.listed(
            caller(context), {**asked, "min_cost_usd": min_cost_usd, "flag": flag, "limit": limit, "cursor": cursor}
        )

    @server.tool(title="Explain what one call cost", annotations=_READS)
    async def explain_entry(
        context: Ctx,
        entry_id: Annotated[UUID, Field(description="`entry_id` of an entry.")],
        ts: Moment = "",
    ) -> entries.EntryExplained:
        """How the cost of one call came about: each unit with the rate that held, the exact sum and its rounding, and
        each correction since. A correction, and an entry older than a month, is found with its `ts`."""
        return await entries.explain(caller(context), entry_id, ts)


def _add_lists(server: MCPServer, caller: Callable[[Ctx], Caller], clock: Clock) -> None:
    @server.tool(title="List throttles", annotations=_READS)
    async def list_throttles(context: Ctx, tenant: Tenant = "") -> reading.Throttles:
        """Budgets that refuse calls now, by what is booked: of which tenant, agent, model, run or tag; until when."""
        return await reading.throttles(caller(context), tenant)

    @server.tool(title="List alerts", annotations=_READS)
    async def list_alerts(
        context: Ctx,
        tenant: Tenant = "",
        types: Annotated[list[AlertKind], Field(description="Only these; none: every type.")] = [],  # noqa: B006
        limit: Rows = 20,
        cursor: Cursor = "",
    ) -> Alerts:
        """What rang, newest first: thresholds and pace of budgets, throttles, models without a price."""
        return await reading.alerts(caller(context), tenant=tenant, types=types, limit=limit, cursor=cursor)

    @server.tool(title="List models without a price", annotations=_READS)
    async def list_unpriced_models(
        context: Ctx, tenant: Tenant = "", days: Annotated[int, Field(ge=1, le=90)] = 7
    ) -> reading.UnpricedModels:
        """Models whose calls of the last days are billed at the ceiling because no price is known."""
        return await reading.unpriced(caller(context), tenant, days, clock.now())


def _add_looking_ahead(server: MCPServer, caller: Callable[[Ctx], Caller]) -> None:
    @server.tool(title="The fleet at one glance", annotations=_READS)
    async def look(context: Ctx, tenant: Tenant = "") -> Fleet:
        """Today and this month with forecasts, the dearest tenants, agents and models, who is throttled, models without
        a price, and what waits to be booked: of everything that the key sees, or of one tenant."""
        return await reading.fleet(caller(context), tenant)

    @server.tool(title="List tenants", annotations=_READS)
    async def list_tenants(
        context: Ctx,
        order: Annotated[
            Order, Field(description="`spent`: who spent today, the dearest first; `name`: all.")
        ] = "spent",
        limit: Rows = 20,
        cursor: Cursor = "",
    ) -> Tenants:
        """Tenants in their open days: spent, limit, pace, forecast, yesterday, this month."""
        return await reading.tenants(caller(context), order=order, limit=limit, cursor=cursor)

    @server.tool(title="Forecast today and this month", annotations=_READS)
    async def forecast(context: Ctx, tenant: Tenant = "") -> Forecast:
        """What today and this month will have cost at their end if the pace of the last one to two hours goes on, and
        when today's limit is reached. A straight line: it knows of no season and no plan."""
        return await caller(context).get("/v1/fleet", Forecast, {"tenant": tenant})


def _add_budgets(server: MCPServer, caller: Callable[[Ctx], Caller], clock: Clock) -> None:
    proposals = Proposals(clock.monotonic)

    @server.tool(title="List budgets", annotations=_READS)
    async def list_budgets(context: Ctx, tenant: Tenant = "", limit: Rows = 50, cursor: Cursor = "") -> Budgets:
        """Limits in force: everyone's, which hold for each tenant without an own one, then tenants' own."""
        return await budgets.listed(caller(context), tenant=tenant, limit=limit, cursor=cursor)

    @server.tool(title="Propose a budget (changes nothing)", annotations=_SHOWS)
    async def propose_budget(
        context: Ctx,
        budget_id: Annotated[str, Field(max_length=128, description="`daily` is the tenant's day in dollars.")],
        terms: budgets.WishedTerms,
        tenant: Annotated[
            str, Field(max_length=256, description="Whose; left out: the key's own, or everyone's where it has none.")
        ] = "",
    ) -> budgets.Proposal:
        """Show what a budget would become, how it differs from what stands, which windows of the last days would
        have reached the limit, and what open windows have spent against it. Changes nothing."""
        return await budgets.proposed(
            caller(context), proposals, budget_id=budget_id, tenant=tenant, terms=terms, now=clock.now()
        )

    @server.tool(title="Set a budget as proposed", annotations=_SETS)
    async def set_budget(
        context: Ctx,
        proposal: Annotated[str, Field(max_length=64, description="`proposal` of `propose_budget`; one use.")],
    ) -> budgets.SetBudget:
        """Put a proposed budget in force, exactly as it was shown; refused where it was changed in between. Needs an
        admin key. A lower limit stops agents at once: have the proposal agreed to by whoever asked for it."""
        return await budgets.made(caller(context), proposals, proposal)


def _add_texts(server: MCPServer, http: httpx2.AsyncClient) -> None:
    @server.resource(
        "tollbook://llms.txt", title="How a language model uses tollbook over HTTP", mime_type="text/plain"
    )
    async def llms_txt() -> str:
        """What an agent needs to report its calls, ask before them, and read spend, without these tools."""
        try:
            return await page(http, "/llms.txt")
        except ToolError as failure:
            raise ResourceError(str(failure)) from failure

    @server.prompt(title="Review the money of a day")
    def review_spend(tenant: str = "") -> str:
        """A review of what was spent, what is throttled and what needs a person."""
        return texts.review(tenant)

    @server.prompt(title="Ask for a higher limit")
    def ask_for_budget(budget_id: str, reason: str, tenant: str = "") -> str:
        """A request for more budget that its approver can decide on."""
        return texts.request(budget_id, tenant, reason)
