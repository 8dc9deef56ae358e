"""`/v1/prices`: what a model costs, by the price book in force; and the books themselves."""

from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, QueryParameter

from tollbook.api.asking import SECURITY, Who, World, reader, whole_admin
from tollbook.api.failures import problems
from tollbook.views.price_books import Books, accept, books
from tollbook.views.prices import Prices
from tollbook.views.prices import prices as found


@get(
    "/v1/prices",
    guards=[reader],
    security=SECURITY,
    tags=["reading"],
    summary="What a model costs",
    responses=problems(400, 401, 403, 404),
)
async def prices(
    services: World,
    principal: Who,
    *,
    model: Annotated[str, QueryParameter(name="model", max_length=256, description="As events name it.")],
    provider: Annotated[
        str | None, QueryParameter(name="provider", max_length=256, description="As events name it.")
    ] = None,
    at: Annotated[
        str | None, QueryParameter(name="at", description="RFC 3339 with an offset; now when left out.")
    ] = None,
    tenant: Annotated[
        str | None,
        QueryParameter(name="tenant", description="With this tenant's discounts; the key's own if it has one."),
    ] = None,
) -> Prices:
    """The rate cards of a model: all contexts, dates and hours, and which of them hold at a moment."""
    return found(services, principal, provider=provider, model=model, at=at, tenant=tenant)


@get(
    "/v1/price-books",
    guards=[reader],
    security=SECURITY,
    tags=["reading"],
    summary="Price books",
    responses=problems(400, 401, 403, 503),
)
async def price_books(services: World, principal: Who) -> Books:
    """The book in force, those before it, and those that wait to be accepted."""
    return await books(services, principal)


@post(
    "/v1/price-books/{digest:str}/accept",
    guards=[whole_admin],
    security=SECURITY,
    tags=["reading"],
    status_code=200,
    summary="Put a price book in force",
    responses=problems(400, 401, 403, 404, 503),
)
async def accept_price_book(services: World, principal: Who, digest: FromPath[str]) -> Books:
    """Accept a book that waits because a known price moves too far, or go back to an older one."""
    return await accept(services, principal, digest)
