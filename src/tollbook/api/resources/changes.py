"""`/v1/changes`: who changed what, and when."""

from typing import Annotated

from litestar import get
from litestar.params import QueryParameter

from tollbook.api.asking import SECURITY, Who, World, admin
from tollbook.api.failures import problems
from tollbook.views.changes import ChangesShown
from tollbook.views.changes import changes as page


@get(
    "/v1/changes",
    guards=[admin],
    security=SECURITY,
    tags=["access"],
    summary="Who changed what",
    responses=problems(400, 401, 403, 503),
)
async def changes(
    services: World,
    principal: Who,
    *,
    tenant: Annotated[str | None, QueryParameter(name="tenant", description="One tenant; all when left out.")] = None,
    kind: Annotated[
        str | None,
        QueryParameter(
            name="kind", description="budget, key, webhook, zone, partition, hook, source, price_book or ledger."
        ),
    ] = None,
    limit: Annotated[int, QueryParameter(name="limit", ge=1, le=1000, description="Rows of a page.")] = 100,
    cursor: Annotated[
        str | None, QueryParameter(name="cursor", max_length=64, description="`next` of the page before.")
    ] = None,
) -> ChangesShown:
    """Changes by whoever and with whatever tool, newest first; a bound key sees those of its tenant."""
    return await page(services, principal, tenant=tenant, kind=kind, cursor=cursor, limit=limit)
