"""One tenant: what it spends, on what, and how its budgets hold."""

from typing import Annotated

import msgspec
from litestar import get
from litestar.params import FromPath, QueryParameter

from tollbook.domain.decision import BudgetFacts
from tollbook.domain.meter import Unit
from tollbook.domain.money import usd_text
from tollbook.ports.views import Split, Step
from tollbook.views.facts import TenantFacts, tenant_facts
from tollbook.views.figures import time_text
from tollbook.views.tenant import Series, Tenant
from tollbook.views.tree import Node
from tollbook.web.access import SiteGiven, Who, signed_in
from tollbook.web.answering import Sheet, View, answered
from tollbook.web.charting import burn_chart, series_chart
from tollbook.web.icicle import icicle
from tollbook.web.naming import name_of
from tollbook.web.session import Answer, PageRequest

_STEPS = (("hour", "Hours"), ("day", "Days"), ("month", "Months"))
_SPLITS = (("agent", "by agent"), ("model", "by model"))
_SPANS = {"hour": "yesterday and today", "day": "the last 30 days", "month": "the last 12 months"}
_AGENTS_SHOWN = 20


class PartFacts(msgspec.Struct, frozen=True):
    """What a part spent in an hour, a day or a month; `part` is null for all others."""

    at: str
    part: str | None
    cost_usd: str


class NodeFacts(msgspec.Struct, frozen=True):
    """An agent with its own cost and that of all below it."""

    agent: str
    calls: int
    own_usd: str
    inclusive_usd: str


class BudgetState(msgspec.Struct, frozen=True, kw_only=True):
    """A budget as the counters show it: amounts in its unit, dollars as decimal text."""

    id: str
    scope: str
    match: str
    window: str
    unit: str
    limit: str
    spent: str
    held: str
    refuses: bool
    reset_at: str | None


class AlertFacts(msgspec.Struct, frozen=True):
    """Something that rang."""

    raised_at: str
    type: str
    text: str


class EntryFacts(msgspec.Struct, frozen=True):
    """One of the latest calls."""

    entry_id: str
    ts: str
    agent: str
    model: str
    run: str | None
    input: int
    output: int
    cost_usd: str


class TenantPage(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows. `budgets` is null where the counters cannot be asked."""

    tenant: TenantFacts
    first_day: str
    last_day: str
    parts: list[PartFacts]
    agents: list[NodeFacts]
    budgets: list[BudgetState] | None
    alerts: list[AlertFacts]
    entries: list[EntryFacts]


@get("/tenants/{tenant:str}", guards=[signed_in])
async def tenant(
    request: PageRequest,
    site: SiteGiven,
    viewer: Who,
    tenant: FromPath[str],
    step: Annotated[Step, QueryParameter(name="step")] = "hour",
    *,
    by: Annotated[Split, QueryParameter(name="by")] = "agent",
) -> Answer:
    """A tenant, as far as the viewer's key sees it."""
    name = name_of(tenant, "tenant")
    viewer.tenant(name)

    async def look() -> View:
        return view(await site.tenant.look(name, step, by))

    return await answered(request, viewer, look)


def view(found: Tenant) -> View:
    """The tenant as it stands."""
    nodes = [node for root in found.tree for node in root.walk()]
    shown = {
        "found": found,
        "line": found.line,
        "series": found.series,
        "series_chart": series_chart(found.series, found.line.zone),
        "burns": [(burn, burn_chart(burn, found.line.zone)) for burn in found.burn_downs],
        "steps": _STEPS,
        "splits": _SPLITS,
        "span": _SPANS[found.series.step],
        "icicle": icicle(found.tree),
        "nodes": sorted(nodes, key=lambda node: -node.inclusive)[:_AGENTS_SHOWN],
        "nodes_count": len(nodes),
        "total": sum(root.inclusive for root in found.tree),
    }
    return View("tenant.html", found.line.tenant, facts_of(found, nodes), sheet_of(found), shown)


def sheet_of(found: Tenant) -> Sheet:
    """The chart's table: a row for each time and part in which something was spent."""
    series, name = found.series, found.line.tenant
    return Sheet(
        ("tenant", series.step, series.by, "cost_usd"),
        [(name, part.at, part.part or "all others", part.cost_usd) for part in _parts(series)],
    )


def facts_of(found: Tenant, nodes: list[Node]) -> TenantPage:
    """The page as JSON."""
    return TenantPage(
        tenant=tenant_facts(found.line),
        first_day=found.series.first_day.isoformat(),
        last_day=found.series.last_day.isoformat(),
        parts=_parts(found.series),
        agents=[NodeFacts(node.path, node.calls, usd_text(node.own), usd_text(node.inclusive)) for node in nodes],
        budgets=None
        if found.state is None
        else [
            _budget(facts, refuses=refuses)
            for facts, refuses in zip(found.state.budgets, found.state.refusing, strict=True)
        ],
        alerts=[AlertFacts(time_text(alert.raised_at), alert.kind, alert.text) for alert in found.alerts],
        entries=[
            EntryFacts(
                row.entry_id,
                time_text(row.ts),
                row.agent,
                row.model,
                row.run,
                row.input,
                row.output,
                usd_text(row.cost_nanos),
            )
            for row in found.entries
        ],
    )


def _parts(series: Series) -> list[PartFacts]:
    return [
        PartFacts(at.isoformat().replace("+00:00", "Z"), name, usd_text(nanos))
        for at, values in zip(series.times, series.values, strict=True)
        for name, nanos in zip(series.names, values, strict=True)
        if nanos
    ]


def _budget(facts: BudgetFacts, *, refuses: bool) -> BudgetState:
    def amount(value: int) -> str:
        return usd_text(value) if facts.unit is Unit.USD else str(value)

    return BudgetState(
        id=facts.id,
        scope=facts.scope.value,
        match=facts.match,
        window=facts.window.value,
        unit=facts.unit.value,
        limit=amount(facts.limit),
        spent=amount(facts.spent),
        held=amount(facts.held),
        refuses=refuses,
        reset_at=None if facts.reset_at is None else time_text(facts.reset_at),
    )
