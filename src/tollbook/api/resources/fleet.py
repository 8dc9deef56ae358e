"""`/v1/fleet` and `/v1/tenants`: who spends what now, against which limit, and what is ahead."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import QueryParameter

from tollbook.api.asking import SECURITY, Who, World, name_of, query_invalid, reader
from tollbook.api.auth import own_tenant
from tollbook.api.failures import problems
from tollbook.views.facts import FleetFacts, TenantFacts, fleet_facts, tenant_facts
from tollbook.views.tenants import Order, Place


class TenantList(msgspec.Struct, frozen=True):
    """A page of tenants; `next` is the `cursor` of the page behind it, null on the last."""

    rows: list[TenantFacts]
    next: str | None


@get(
    "/v1/fleet",
    guards=[reader],
    security=SECURITY,
    tags=["reading"],
    summary="The fleet at one glance",
    responses=problems(400, 401, 403, 503),
)
async def fleet(
    services: World,
    principal: Who,
    tenant: Annotated[
        str | None, QueryParameter(name="tenant", description="One tenant as if it were all there is; the key's own.")
    ] = None,
) -> FleetFacts:
    """Spend today and this month, limits, forecasts, who and what spends most, throttles, and what waits.

    A key that is bound to a tenant sees that tenant as if it were all there is.
    """
    whose = own_tenant(principal, None if tenant is None else name_of(tenant, "tenant"))
    return fleet_facts(await services.fleet.look(whose))


@get(
    "/v1/tenants",
    guards=[reader],
    security=SECURITY,
    tags=["reading"],
    summary="Tenants in their open days",
    responses=problems(400, 401, 403, 503),
)
async def tenants(
    services: World,
    principal: Who,
    limit: Annotated[int, QueryParameter(name="limit", ge=1, le=1000, description="Rows of a page.")] = 100,
    cursor: Annotated[
        str | None, QueryParameter(name="cursor", max_length=2048, description="`next` of the page before.")
    ] = None,
    order: Annotated[
        Order,
        QueryParameter(name="order", description="`spent`: who spent today, the dearest first; `name`: every tenant."),
    ] = "spent",
) -> TenantList:
    """A page of tenants. What is spent grows while one pages: a tenant may come twice, and is never left out."""
    page = await services.fleet.tenants.page(principal.tenant, order, place_of(cursor), limit)
    return TenantList(
        rows=[tenant_facts(line) for line in page.lines], next=None if page.next is None else place_text(page.next)
    )


def place_text(place: Place) -> str:
    """A place in a list of tenants as text."""
    return urlsafe_b64encode(msgspec.json.encode(place)).decode()


def place_of(cursor: str | None) -> Place | None:
    """The place a text stands for; raises a 400 where it stands for none."""
    if cursor is None:
        return None
    try:
        return msgspec.json.decode(urlsafe_b64decode(cursor), type=Place)
    except (ValueError, msgspec.DecodeError) as error:
        raise query_invalid("cursor: take it from `next` of the page before, unchanged") from error
