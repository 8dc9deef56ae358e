"""`/v1/traces/<trace>` and `/v1/runs/<run>/spans`: the steps of a run, and what each call in it came to."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import FromPath, QueryParameter

from tollbook.api.answers import time_text
from tollbook.api.asking import SECURITY, Who, World, name_of, not_found, query_invalid, reader
from tollbook.api.auth import own_tenant
from tollbook.api.failures import problems
from tollbook.api.services import Services
from tollbook.domain.money import usd_text
from tollbook.ingest.otel.tree import Known, Tree
from tollbook.pipeline.traces import known_span
from tollbook.ports.spans import SpanView

_SPANS_MAX = 5_000
_PRICED_WITHIN = timedelta(hours=1)
"""Entries are found by their time; in a trace longer than this they would be sought in too many."""
_TRACE_HEX = 32


class SpanLine(msgspec.Struct, frozen=True, kw_only=True):
    """One span. `depth` is how far below the first of its tree it stands; the counts are of its call, if it is one."""

    tenant: str
    trace: str
    span: str
    parent: str | None
    depth: int
    name: str
    kind: str
    agent: str
    started_at: str
    ended_at: str
    failed: bool
    model: str | None
    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int
    cost_usd: str | None
    attributes: dict[str, str | bool | int | float]


class SpanTree(msgspec.Struct, frozen=True):
    """Spans in the order of their tree: children behind their parent. `cut`: there are more than are shown."""

    spans: list[SpanLine]
    cut: bool


_TenantQuery = Annotated[
    str | None, QueryParameter(name="tenant", description="One tenant; all that the key may see when left out.")
]


@get(
    "/v1/traces/{trace:str}",
    guards=[reader],
    security=SECURITY,
    tags=["reading"],
    summary="The spans of one trace",
    responses=problems(400, 401, 403, 404, 503),
)
async def trace_spans(services: World, principal: Who, trace: FromPath[str], tenant: _TenantQuery = None) -> SpanTree:
    """The kept spans of a trace, by its id in hex. `cost_usd` is null of what is not a call, is not booked yet, or is
    part of a trace longer than an hour."""
    whose = own_tenant(principal, None if tenant is None else name_of(tenant, "tenant"))
    if len(trace) != _TRACE_HEX or not set(trace) <= set("0123456789abcdef"):
        raise query_invalid("a trace's id is 32 digits of lower-case hex")
    return await _tree(services, await services.spans.trace(whose, bytes.fromhex(trace), _SPANS_MAX + 1))


@get(
    "/v1/runs/{run:str}/spans",
    guards=[reader],
    security=SECURITY,
    tags=["reading"],
    summary="The spans of one run",
    responses=problems(400, 401, 403, 404, 503),
)
async def run_spans(services: World, principal: Who, run: FromPath[str], tenant: _TenantQuery = None) -> SpanTree:
    """The kept spans of every trace that names the run, or of the trace whose id the run is."""
    whose = own_tenant(principal, None if tenant is None else name_of(tenant, "tenant"))
    name = name_of(run, "run")
    found = await services.spans.run(whose, name, _SPANS_MAX + 1)
    if not found and len(name) == _TRACE_HEX and set(name) <= set("0123456789abcdef"):
        found = await services.spans.trace(whose, bytes.fromhex(name), _SPANS_MAX + 1)
    return await _tree(services, found)


async def _tree(services: Services, found: Sequence[SpanView]) -> SpanTree:
    if not found:
        raise not_found("no spans are kept of this")
    shown = found[:_SPANS_MAX]
    of_tenants: dict[str, list[SpanView]] = defaultdict(list)
    for view in shown:
        of_tenants[view.tenant].append(view)
    lines: list[SpanLine] = []
    for tenant, views in sorted(of_tenants.items()):
        lines += await _lines(services, tenant, views)
    return SpanTree(spans=lines, cut=len(found) > _SPANS_MAX)


async def _lines(services: Services, tenant: str, views: list[SpanView]) -> list[SpanLine]:
    by_id = {(view.trace_id, view.span_id): view for view in views}
    tree = Tree(known_span(view) for view in views)
    ids = {(one.trace_id, one.span_id): placed.id for one in tree if (placed := tree.placed(one)) is not None}
    since, until = min(view.started_at for view in views), max(view.ended_at for view in views)
    costs: dict[str, int] = {}
    if ids and until - since <= _PRICED_WITHIN:
        costs = await services.spans.costs(tenant, list(set(ids.values())), since, until)
    lines: list[SpanLine] = []
    for depth, one in tree.in_order():
        event_id = ids.get((one.trace_id, one.span_id))
        cost = costs.get(event_id) if event_id is not None else None
        lines.append(_line(by_id[one.trace_id, one.span_id], one, tree.agent(one), depth=depth, cost=cost))
    return lines


def _line(view: SpanView, known: Known, agent: str, *, depth: int, cost: int | None) -> SpanLine:
    call = known.facts.call
    return SpanLine(
        tenant=view.tenant,
        trace=view.trace_id.hex(),
        span=view.span_id.hex(),
        parent=None if view.parent_id is None else view.parent_id.hex(),
        depth=depth,
        name=view.name,
        kind=view.kind,
        agent=agent,
        started_at=time_text(view.started_at),
        ended_at=time_text(view.ended_at),
        failed=view.failed,
        model=None if call is None else call.model,
        input=0 if call is None else call.input,
        output=0 if call is None else call.output,
        cache_read=0 if call is None else call.cache_read,
        cache_write=0 if call is None else call.cache_write_5m + call.cache_write_1h,
        reasoning=0 if call is None else call.reasoning,
        cost_usd=None if cost is None else usd_text(cost),
        attributes={} if view.attributes is None else msgspec.json.decode(view.attributes),
    )
