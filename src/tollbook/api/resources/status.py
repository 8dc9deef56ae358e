"""`/v1/tenants/<tenant>/status`: may this tenant go on spending today?"""

from typing import Literal

import msgspec
from litestar import get
from litestar.params import FromPath

from tollbook.api.answers import time_text
from tollbook.api.asking import SECURITY, Who, World, any_key, name_of
from tollbook.api.auth import require_tenant
from tollbook.api.failures import problems
from tollbook.api.services import Services
from tollbook.domain.errors import JournalUnavailable, LedgerUnavailable
from tollbook.domain.money import usd_text
from tollbook.domain.window import DayWindow
from tollbook.ports.journal import DayView
from tollbook.telemetry import StoreTrouble


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's day: spent = settled + pending + held.

    With `source` ledger the counters could not be asked: only what is settled is known, pending and held are null.
    """

    tenant: str
    day: str
    spent_usd: str
    settled_usd: str
    pending_usd: str | None
    held_usd: str | None
    limit_usd: str | None
    remaining_usd: str | None
    throttled: bool
    reset_at: str
    time_zone: str
    source: Literal["counters", "ledger"]


@get(
    "/v1/tenants/{tenant:str}/status",
    guards=[any_key],
    security=SECURITY,
    tags=["reading"],
    summary="A tenant's day: spent, limit, throttled",
    responses=problems(400, 401, 403, 404, 503),
)
async def status(services: World, principal: Who, tenant: FromPath[str]) -> Status:
    """Spent and remaining of the tenant's open day; answered from the ledger while the counters cannot be asked."""
    name = name_of(tenant, "tenant")
    require_tenant(principal, name)
    window = services.directory.tenancy.window_at(name, services.clock.now())
    view = await _counters(services, name, window)
    if view is None:
        return await _from_ledger(services, name, window)
    settled_and_pending = view.settled_nanos + view.pending_nanos
    spent = settled_and_pending + view.held_nanos
    limit = view.limit_nanos
    return Status(
        spent_usd=usd_text(spent),
        settled_usd=usd_text(view.settled_nanos),
        pending_usd=usd_text(view.pending_nanos),
        held_usd=usd_text(view.held_nanos),
        limit_usd=None if limit is None else usd_text(limit),
        remaining_usd=None if limit is None else usd_text(max(0, limit - spent)),
        throttled=view.throttled or (limit is not None and settled_and_pending >= limit),
        source="counters",
        **_of_window(services, name, window),
    )


async def _counters(services: Services, tenant: str, window: DayWindow) -> DayView | None:
    """The counters' view, or None where they are away or being rebuilt."""
    partition = services.directory.tenancy.partition_of(tenant)
    try:
        await services.gate.end_due(tenant)
        view = await services.journal.view(partition, tenant, window.day)
    except JournalUnavailable as trouble:
        services.telemetry.record(StoreTrouble("valkey", "status is read from the ledger", str(trouble)))
        return None
    if not view.complete:
        return None
    if view.limit_nanos is None:
        return await _with_ledgers_limit(services, tenant, view)
    return view


async def _with_ledgers_limit(services: Services, tenant: str, view: DayView) -> DayView:
    # Limits are pushed within a second of a start; until then the counters have none.
    try:
        return view._replace(limit_nanos=await services.reading.limit(tenant))
    except LedgerUnavailable:
        return view


async def _from_ledger(services: Services, tenant: str, window: DayWindow) -> Status:
    settled = (await services.reading.day(tenant, window.day)).cost_nanos
    limit = await services.reading.limit(tenant)
    return Status(
        spent_usd=usd_text(settled),
        settled_usd=usd_text(settled),
        pending_usd=None,
        held_usd=None,
        limit_usd=usd_text(limit),
        remaining_usd=usd_text(max(0, limit - settled)),
        throttled=settled >= limit,
        source="ledger",
        **_of_window(services, tenant, window),
    )


def _of_window(services: Services, tenant: str, window: DayWindow) -> dict[str, str]:
    calendar = services.directory.tenancy.calendar_of(tenant)
    return {
        "tenant": tenant,
        "day": window.day.isoformat(),
        "reset_at": time_text(window.end),
        "time_zone": calendar.zone_of(window.day),
    }
