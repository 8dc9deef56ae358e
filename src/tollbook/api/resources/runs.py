"""`/v1/runs`: the tasks of the fleet, and what one came to."""

from typing import Annotated

import msgspec
from litestar import get
from litestar.params import FromPath, QueryParameter

from tollbook.api.answers import Figures, figures_of, time_text, total_of
from tollbook.api.asking import SECURITY, Who, World, name_of, not_found, reader
from tollbook.api.auth import own_tenant
from tollbook.api.failures import problems
from tollbook.api.resources.entries import Agent, CostMin, Model, Since, Tenant, Until
from tollbook.ports.reading import RunRow
from tollbook.views.runs import Runs, RunsAsked, Timeline, listed, timeline


class RunLine(Figures, frozen=True, kw_only=True):
    """What one agent instance spent on one model."""

    tenant: str
    agent: str
    model: str
    first_ts: str
    last_ts: str


class Run(msgspec.Struct, frozen=True):
    """A run's total, from its first call to its last, and what it is made of."""

    run: str
    first_ts: str
    last_ts: str
    total: Figures
    rows: list[RunLine]


@get(
    "/v1/runs",
    guards=[reader],
    security=SECURITY,
    tags=["reading"],
    summary="Runs, those that began last first",
    responses=problems(400, 401, 403, 503),
)
async def runs(
    services: World,
    principal: Who,
    *,
    tenant: Tenant = None,
    agent: Agent = None,
    model: Model = None,
    since: Since = None,
    until: Until = None,
    min_cost_usd: CostMin = None,
    limit: Annotated[int, QueryParameter(name="limit", ge=1, le=1000, description="Rows of a page.")] = 100,
    cursor: Annotated[
        str | None, QueryParameter(name="cursor", max_length=2048, description="`next` of the page before.")
    ] = None,
) -> Runs:
    """A page of runs by their first call; `from` and `to` are about it."""
    asked = RunsAsked(tenant=tenant, agent=agent, model=model, since=since, until=until, min_cost_usd=min_cost_usd)
    return await listed(services, principal, asked, cursor, limit)


@get(
    "/v1/runs/{run:str}/timeline",
    guards=[reader],
    security=SECURITY,
    tags=["reading"],
    summary="One run as it went",
    responses=problems(400, 401, 403, 404, 503),
)
async def run_timeline(services: World, principal: Who, run: FromPath[str], tenant: Tenant = None) -> Timeline:
    """The tree of a run's agent instances with the costliest path, its calls in time, open holds, and refusals."""
    return await timeline(services, principal, name_of(run, "run"), tenant)


@get(
    "/v1/runs/{run:str}",
    guards=[reader],
    security=SECURITY,
    tags=["reading"],
    summary="One run",
    responses=problems(400, 401, 403, 404, 503),
)
async def run_total(
    services: World,
    principal: Who,
    run: FromPath[str],
    tenant: Annotated[
        str | None,
        QueryParameter(name="tenant", description="One tenant; everyone who uses this run's name when left out."),
    ] = None,
) -> Run:
    """Totals of a run, by agent instance and model. A run in which nothing was booked yet is not there."""
    whose = own_tenant(principal, None if tenant is None else name_of(tenant, "tenant"))
    name = name_of(run, "run")
    found = await services.reading.run(whose, name)
    if not found:
        raise not_found("nothing is booked in this run")
    return Run(
        run=name,
        first_ts=time_text(min(row.first_ts for _, row in found)),
        last_ts=time_text(max(row.last_ts for _, row in found)),
        total=total_of(row for _, row in found),
        rows=[_line(who, row) for who, row in found],
    )


def _line(tenant: str, row: RunRow) -> RunLine:
    times = {"first_ts": time_text(row.first_ts), "last_ts": time_text(row.last_ts)}
    return msgspec.convert(
        {"tenant": tenant, "agent": row.agent, "model": row.model, **times, **figures_of(row)}, RunLine
    )
