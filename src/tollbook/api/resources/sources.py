"""`/v1/sources`: inboxes elsewhere that are fetched."""

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from tollbook.api.asking import SECURITY, Who, World, admin, name_of, whole_admin
from tollbook.api.failures import problems
from tollbook.views.sources import SourceRequest, Sources, SourceShown, add, listed, remove

_TAGS = ["access"]


@get(
    "/v1/sources",
    guards=[admin],
    security=SECURITY,
    tags=_TAGS,
    summary="List sources",
    responses=problems(400, 401, 403, 503),
)
async def sources(services: World, principal: Who) -> Sources:
    """Every source with how its polling goes, without secrets; a bound admin sees those of its tenant."""
    return await listed(services, principal)


@post(
    "/v1/sources",
    guards=[whole_admin],
    security=SECURITY,
    tags=_TAGS,
    summary="Add a source",
    responses=problems(400, 401, 403, 409, 503),
)
async def add_source(services: World, principal: Who, data: JSONBody[SourceRequest]) -> SourceShown:
    """Have the drains fetch an inbox from now on; its token and bearer are not shown again."""
    return await add(services, principal, data)


@delete(
    "/v1/sources/{name:str}",
    guards=[whole_admin],
    security=SECURITY,
    tags=_TAGS,
    summary="Remove a source",
    responses=problems(400, 401, 403, 404, 503),
)
async def remove_source(services: World, principal: Who, name: FromPath[str]) -> None:
    """Fetch a source no more, and forget which of its requests were taken."""
    await remove(services, principal, name_of(name, "name"))
