"""`/v1/alerts`: what rang, newest first, and what became of each delivery."""

from typing import Annotated

import msgspec
from litestar import get
from litestar.params import QueryParameter

from tollbook.api.answers import time_text
from tollbook.api.asking import SECURITY, Who, World, name_of, reader
from tollbook.api.auth import own_tenant
from tollbook.api.failures import problems
from tollbook.domain.alert import AlertKind
from tollbook.ports.alerts import AlertRow, Delivery, DeliveryState, Place
from tollbook.views.entries import cursor_of, cursor_text


class AlertDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """`state` is `pending`, `delivered` or `dead`; `status` the last HTTP answer, `detail` what else was known."""

    hook_id: str
    state: DeliveryState
    attempts: int
    next_at: str | None
    status: int | None
    detail: str
    marked_at: str | None


class ShownAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert; `data` is what its webhook's `data` holds, `tenant` is null for what concerns none."""

    alert_id: str
    raised_at: str
    type: AlertKind
    tenant: str | None
    text: str
    data: dict[str, object]
    deliveries: list[AlertDelivery]


class Alerts(msgspec.Struct, frozen=True):
    """A page; `next` is the `cursor` of the page behind it, null on the last."""

    rows: list[ShownAlert]
    next: str | None


@get(
    "/v1/alerts",
    guards=[reader],
    security=SECURITY,
    tags=["alerts"],
    summary="Alerts, newest first",
    responses=problems(400, 401, 403, 503),
)
async def alerts(
    services: World,
    principal: Who,
    tenant: Annotated[str | None, QueryParameter(name="tenant", description="One tenant; all when left out.")] = None,
    limit: Annotated[int, QueryParameter(name="limit", ge=1, le=1000, description="Rows of a page.")] = 100,
    cursor: Annotated[
        str | None, QueryParameter(name="cursor", max_length=64, description="`next` of the page before.")
    ] = None,
) -> Alerts:
    """A page of alerts with the state of each delivery."""
    whose = own_tenant(principal, None if tenant is None else name_of(tenant, "tenant"))
    before = None if cursor is None else Place(*cursor_of(cursor))
    found = await services.alerts.alerts(whose, before, limit + 1)
    page = found[:limit]
    return Alerts(
        rows=[_shown(row) for row in page],
        next=cursor_text((page[-1].raised_at, page[-1].alert_id)) if len(found) > limit else None,
    )


def _shown(row: AlertRow) -> ShownAlert:
    return ShownAlert(
        alert_id=row.alert_id,
        raised_at=time_text(row.raised_at),
        type=AlertKind(row.kind),
        tenant=row.tenant or None,
        text=row.text,
        data=dict(row.facts),
        deliveries=[_shown_delivery(delivery) for delivery in row.deliveries],
    )


def _shown_delivery(delivery: Delivery) -> AlertDelivery:
    return AlertDelivery(
        hook_id=delivery.hook_id,
        state=delivery.state,
        attempts=delivery.attempts,
        next_at=None if delivery.next_at is None else time_text(delivery.next_at),
        status=delivery.status,
        detail=delivery.detail,
        marked_at=None if delivery.marked_at is None else time_text(delivery.marked_at),
    )
