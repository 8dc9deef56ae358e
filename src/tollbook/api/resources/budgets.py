"""`/v1/budgets`: what may be spent, by whom and until when; and who changed it."""

from typing import Annotated

from litestar import delete, get, put
from litestar.params import FromPath, JSONBody, QueryParameter

from tollbook.api.asking import SECURITY, Who, World, admin, reader
from tollbook.api.failures import problems
from tollbook.api.paths import SLASH_INSIDE
from tollbook.domain.terms import Terms
from tollbook.views.budgets import Budget, Budgets, Revisions, listed, one, remove, revisions
from tollbook.views.budgets import put as put_one

_TAGS = ["budgets"]
_ONE = "/v1/budgets/{budget_id:str}"

Tenant = Annotated[
    str | None, QueryParameter(name="tenant", description="Whose budget; everyone's when left out by an unbound key.")
]


@get(
    "/v1/budgets",
    guards=[reader],
    security=SECURITY,
    tags=_TAGS,
    summary="Budgets in force",
    responses=problems(400, 401, 403, 503),
)
async def budgets(
    services: World,
    principal: Who,
    tenant: Annotated[
        str | None, QueryParameter(name="tenant", description="One tenant's, and everyone's, which hold for it too.")
    ] = None,
    limit: Annotated[int, QueryParameter(name="limit", ge=1, le=1000, description="Rows of a page.")] = 1000,
    cursor: Annotated[
        str | None, QueryParameter(name="cursor", max_length=2048, description="`next` of the page before.")
    ] = None,
) -> Budgets:
    """Everyone's budgets and the tenants' own; a key bound to a tenant sees everyone's and its own."""
    return await listed(services, principal, tenant=tenant, cursor=cursor, limit=limit)


@get(
    _ONE,
    guards=[reader],
    security=SECURITY,
    tags=_TAGS,
    summary="One budget",
    responses=problems(400, 401, 403, 404, 503),
)
async def budget(services: World, principal: Who, budget_id: FromPath[str], tenant: Tenant = None) -> Budget:
    """A tenant's own budget, or everyone's; not which of the two holds for a call."""
    return await one(services, principal, _id_of(budget_id), tenant)


@get(
    f"{_ONE}/changes",
    guards=[reader],
    security=SECURITY,
    tags=_TAGS,
    summary="What became of a budget",
    responses=problems(400, 401, 403, 404, 503),
)
async def budget_changes(services: World, principal: Who, budget_id: FromPath[str], tenant: Tenant = None) -> Revisions:
    """The last hundred changes, whole, with who made them and when; a removed budget's too."""
    return await revisions(services, principal, _id_of(budget_id), tenant)


@put(
    _ONE,
    guards=[admin],
    security=SECURITY,
    tags=_TAGS,
    summary="Set a budget",
    responses=problems(400, 401, 403, 409, 503),
)
async def put_budget(
    services: World,
    principal: Who,
    budget_id: FromPath[str],
    data: JSONBody[Terms],
    tenant: Tenant = None,
    *,
    expected_version: Annotated[
        int | None,
        QueryParameter(
            name="expected_version",
            ge=0,
            description="The version that must stand, 0 for none; whatever stands when left out.",
        ),
    ] = None,
) -> Budget:
    """Create or replace a budget: in force before the answer, with what was spent in windows still open."""
    return await put_one(services, principal, _id_of(budget_id), tenant, data, expected=expected_version)


@delete(
    _ONE,
    guards=[admin],
    security=SECURITY,
    tags=_TAGS,
    summary="Remove a budget",
    responses=problems(400, 401, 403, 404, 409, 503),
)
async def remove_budget(services: World, principal: Who, budget_id: FromPath[str], tenant: Tenant = None) -> None:
    """Remove a budget; where everyone's has the same meter, that one holds again."""
    await remove(services, principal, _id_of(budget_id), tenant)


def _id_of(text: str) -> str:
    return text.replace(SLASH_INSIDE, "/")
