"""`/v1/entries`: what the ledger keeps of each call: found, followed, and taken apart."""

from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.params import FromPath, QueryParameter

from tollbook.api.asking import SECURITY, Who, World, reader
from tollbook.api.failures import problems
from tollbook.views.entries import Entries, EntriesAsked, Followed, followed, found, of_call
from tollbook.views.explaining import Explained, explained

_TAGS = ["reading"]
_FLAGS = "unpriced, context_unknown, units_unpriced, reported_differs, or corrected: what corrects another entry."

Tenant = Annotated[str | None, QueryParameter(name="tenant", description="One tenant; all when left out.")]
Agent = Annotated[
    str | None, QueryParameter(name="agent", description="A path of roles or of instances, with what is below it.")
]
Model = Annotated[str | None, QueryParameter(name="model", description="As booked.")]
Provider = Annotated[str | None, QueryParameter(name="provider", description="As booked.")]
RunName = Annotated[str | None, QueryParameter(name="run", description="One run.")]
Source = Annotated[str | None, QueryParameter(name="source", description="Who gave the id.")]
Flag = Annotated[str | None, QueryParameter(name="flag", description=_FLAGS)]
CostMin = Annotated[str | None, QueryParameter(name="min_cost_usd", description="At least so many dollars.")]
Since = Annotated[str | None, QueryParameter(name="from", description="RFC 3339 with an offset; included.")]
Until = Annotated[str | None, QueryParameter(name="to", description="RFC 3339 with an offset; not included.")]


@get(
    "/v1/entries",
    guards=[reader],
    security=SECURITY,
    tags=_TAGS,
    summary="Entries, newest first",
    responses=problems(400, 401, 403, 503),
)
async def entries(  # noqa: PLR0913 - a parameter of the query each
    services: World,
    principal: Who,
    *,
    tenant: Tenant = None,
    agent: Agent = None,
    model: Model = None,
    provider: Provider = None,
    run: RunName = None,
    source: Source = None,
    since: Since = None,
    until: Until = None,
    flag: Flag = None,
    min_cost_usd: CostMin = None,
    limit: Annotated[int, QueryParameter(name="limit", ge=1, le=1000, description="Rows of a page.")] = 100,
    cursor: Annotated[
        str | None, QueryParameter(name="cursor", max_length=64, description="`next` of the page before.")
    ] = None,
    call: Annotated[
        UUID | None,
        QueryParameter(
            name="call", description="One call with its corrections: an `entry_id`, or what `corrects` names."
        ),
    ] = None,
) -> Entries:
    """A page of entries by the time of their calls; one booked late appears where its time puts it.

    One request looks at so many entries and no more: a page of a rare kind may be short, even empty, before the last.
    """
    if call is not None:
        return await of_call(services, principal, tenant, call)
    asked = EntriesAsked(
        tenant=tenant,
        agent=agent,
        model=model,
        provider=provider,
        run=run,
        source=source,
        since=since,
        until=until,
        flag=flag,
        min_cost_usd=min_cost_usd,
    )
    return await found(services, principal, asked, cursor, limit)


@get(
    "/v1/entries/follow",
    guards=[reader],
    security=SECURITY,
    tags=_TAGS,
    summary="Entries as they are booked",
    responses=problems(400, 401, 403, 503),
)
async def follow_entries(  # noqa: PLR0913 - a parameter of the query each
    services: World,
    principal: Who,
    *,
    tenant: Tenant = None,
    agent: Agent = None,
    model: Model = None,
    provider: Provider = None,
    run: RunName = None,
    source: Source = None,
    flag: Flag = None,
    min_cost_usd: CostMin = None,
    after: Annotated[
        str | None, QueryParameter(name="after", description="`next` of the answer before; the present when left out.")
    ] = None,
    limit: Annotated[int, QueryParameter(name="limit", ge=1, le=1000, description="Rows of an answer.")] = 100,
    wait_s: Annotated[
        int, QueryParameter(name="wait_s", ge=0, le=25, description="Seconds to wait for the first entry.")
    ] = 0,
) -> Followed:
    """Entries in the order of their commits, however late their calls are reported: none is ever missed or told twice.

    Without `after` the answer is empty and `next` is the present.
    """
    asked = EntriesAsked(
        tenant=tenant,
        agent=agent,
        model=model,
        provider=provider,
        run=run,
        source=source,
        flag=flag,
        min_cost_usd=min_cost_usd,
    )
    return await followed(services, principal, asked, after, limit=limit, wait_s=wait_s)


@get(
    "/v1/entries/{entry_id:uuid}",
    guards=[reader],
    security=SECURITY,
    tags=_TAGS,
    summary="One entry taken apart",
    responses=problems(400, 401, 403, 404, 503),
)
async def entry(
    services: World,
    principal: Who,
    entry_id: FromPath[UUID],
    ts: Annotated[
        str | None,
        QueryParameter(name="ts", description="Its `ts`: needed for corrections and what is older than eleven weeks."),
    ] = None,
) -> Explained:
    """How its price was computed, line by line, from the rate card that it names; and the corrections of its call."""
    return await explained(services, principal, entry_id, ts)
