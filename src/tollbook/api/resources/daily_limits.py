"""`/v1/budget` and `/v1/tenants/<tenant>/budget`: the budget `daily` by itself, everyone's and tenants' own."""

from typing import Literal

import msgspec
from litestar import delete, get, put
from litestar.params import FromPath, JSONBody

from tollbook.api.answers import time_text
from tollbook.api.asking import SECURITY, Who, World, admin, name_of, reader, whole_admin
from tollbook.api.auth import require_tenant
from tollbook.api.failures import problems
from tollbook.api.problems import Problem
from tollbook.api.services import Services
from tollbook.domain.access import Principal
from tollbook.domain.limits import LIMIT_NANOS_MAX
from tollbook.domain.money import nanos_from_usd, usd_text
from tollbook.ports.config import BudgetListing, BudgetsChanged
from tollbook.views.asking import changer

_PER_TENANT = "/v1/tenants/{tenant:str}/budget"
_TAGS = ["budgets"]


class LimitChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new limit: dollars as text (or a whole number), never a binary fraction."""

    limit_usd: str | int
    per: Literal["day"] = "day"


class DailyLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A limit in force. `tenant` is null for everyone's default; `default` says that a tenant has no own one."""

    tenant: str | None
    limit_usd: str
    per: Literal["day"] = "day"
    default: bool
    version: int
    updated_at: str
    updated_by: str


@get(
    "/v1/budget",
    guards=[reader],
    security=SECURITY,
    tags=_TAGS,
    summary="The default limit",
    responses=problems(400, 401, 403, 503),
)
async def default_limit(services: World) -> DailyLimit:
    """What holds for every tenant without an own limit."""
    return _shown(await services.reading.daily(None), None)


@put(
    "/v1/budget",
    guards=[whole_admin],
    security=SECURITY,
    tags=_TAGS,
    summary="Set the default limit",
    responses=problems(400, 401, 403, 503),
)
async def set_default_limit(services: World, principal: Who, data: JSONBody[LimitChange]) -> DailyLimit:
    """In force at once for every tenant without an own limit."""
    await _set(services, None, _nanos_of(data), principal)
    return _shown(await services.reading.daily(None), None)


@get(
    _PER_TENANT,
    guards=[reader],
    security=SECURITY,
    tags=_TAGS,
    summary="A tenant's limit",
    responses=problems(400, 401, 403, 404, 503),
)
async def tenant_limit(services: World, principal: Who, tenant: FromPath[str]) -> DailyLimit:
    """The limit in force: the tenant's own, or the default."""
    name = _own(principal, tenant)
    return _shown(await services.reading.daily(name), name)


@put(
    _PER_TENANT,
    guards=[admin],
    security=SECURITY,
    tags=_TAGS,
    summary="Set a tenant's limit",
    responses=problems(400, 401, 403, 404, 503),
)
async def set_tenant_limit(
    services: World, principal: Who, tenant: FromPath[str], data: JSONBody[LimitChange]
) -> DailyLimit:
    """In force at once; a limit raised above what is spent lifts the throttle flag with it."""
    name = _own(principal, tenant)
    await _set(services, name, _nanos_of(data), principal)
    return _shown(await services.reading.daily(name), name)


@delete(
    _PER_TENANT,
    guards=[admin],
    security=SECURITY,
    tags=_TAGS,
    status_code=200,
    summary="Remove a tenant's own limit",
    responses=problems(400, 401, 403, 404, 503),
)
async def remove_tenant_limit(services: World, principal: Who, tenant: FromPath[str]) -> DailyLimit:
    """The default holds again; the answer shows it."""
    name = _own(principal, tenant)
    await _set(services, name, None, principal)
    return _shown(await services.reading.daily(name), name)


async def _set(services: Services, tenant: str | None, nanos: int | None, principal: Principal) -> None:
    version = await services.config.set_limit(tenant, nanos, changer(principal))
    await services.budgets.enforce(BudgetsChanged(version, frozenset()))


def _own(principal: Principal, tenant: str) -> str:
    name = name_of(tenant, "tenant")
    require_tenant(principal, name)
    return name


def _nanos_of(change: LimitChange) -> int:
    try:
        nanos = nanos_from_usd(change.limit_usd)
    except ValueError as error:
        raise Problem(400, "field_invalid", "limit_usd is no decimal number of dollars") from error
    if not 0 <= nanos <= LIMIT_NANOS_MAX:
        raise Problem(400, "field_out_of_range", "limit_usd lies outside 0 to 1000000000")
    return nanos


def _shown(row: BudgetListing, tenant: str | None) -> DailyLimit:
    return DailyLimit(
        tenant=tenant,
        limit_usd=usd_text(row.budget.limit),
        default=row.budget.tenant is None,
        version=row.version,
        updated_at=time_text(row.updated_at),
        updated_by=row.updated_by,
    )
