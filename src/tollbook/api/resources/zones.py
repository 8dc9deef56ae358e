"""`/v1/tenants/<tenant>/time-zone`: where a tenant's days begin and end."""

from datetime import datetime

import msgspec
from litestar import get, put
from litestar.params import FromPath, JSONBody

from tollbook.api.asking import SECURITY, Who, World, admin, name_of, reader
from tollbook.api.auth import require_tenant
from tollbook.api.failures import problems
from tollbook.api.problems import Problem
from tollbook.domain.access import Principal
from tollbook.domain.window import ZoneCalendar
from tollbook.pipeline.directory import change_zone as move
from tollbook.views.asking import changer

_PATH = "/v1/tenants/{tenant:str}/time-zone"
_TAGS = ["tenants"]


class ZoneChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An IANA zone name, such as Asia/Kolkata."""

    time_zone: str


class TenantZone(msgspec.Struct, frozen=True):
    """The zone whose midnight ends the tenant's open day, and what follows, from which local day on."""

    tenant: str
    time_zone: str
    next_time_zone: str | None
    next_from: str | None


@get(
    _PATH,
    guards=[reader],
    security=SECURITY,
    tags=_TAGS,
    summary="A tenant's time zone",
    responses=problems(400, 401, 403, 503),
)
async def tenant_zone(services: World, principal: Who, tenant: FromPath[str]) -> TenantZone:
    """Where the tenant's days begin and end."""
    name = _own(principal, tenant)
    return _shown(name, services.directory.tenancy.calendar_of(name), services.clock.now())


@put(
    _PATH,
    guards=[admin],
    security=SECURITY,
    tags=_TAGS,
    summary="Change a tenant's time zone",
    responses=problems(400, 401, 403, 503),
)
async def change_zone(services: World, principal: Who, tenant: FromPath[str], data: JSONBody[ZoneChange]) -> TenantZone:
    """Takes effect at the tenant's next midnight, so that no day is cut or counted twice."""
    name = _own(principal, tenant)
    zone = name_of(data.time_zone, "time_zone")
    await services.directory.refresh()
    calendar = services.directory.tenancy.calendar_of(name)
    now = services.clock.now()
    try:
        calendar = await move(services.config, name, calendar, zone, now, by=changer(principal))
    except ValueError as error:
        raise Problem(400, "field_invalid", "time_zone is no IANA zone, such as Asia/Kolkata") from error
    await services.directory.refresh()
    return _shown(name, calendar, now)


def _own(principal: Principal, tenant: str) -> str:
    name = name_of(tenant, "tenant")
    require_tenant(principal, name)
    return name


def _shown(tenant: str, calendar: ZoneCalendar, now: datetime) -> TenantZone:
    today = calendar.window_at(now).day
    coming = next((span for span in calendar.spans if span.first_day > today), None)
    return TenantZone(
        tenant,
        calendar.zone_of(today),
        None if coming is None else coming.zone,
        None if coming is None else coming.first_day.isoformat(),
    )
