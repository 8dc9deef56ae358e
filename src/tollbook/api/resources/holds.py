"""`GET /v1/holds`: what is in flight."""

from typing import Annotated, Literal

import msgspec
from litestar import get
from litestar.params import QueryParameter

from tollbook.api.answers import time_of_ms
from tollbook.api.asking import SECURITY, Who, World, name_of, query_invalid, reader
from tollbook.api.auth import own_tenant
from tollbook.api.failures import problems
from tollbook.domain.meter import Unit, unit_of
from tollbook.domain.money import usd_text
from tollbook.enforcement.asks import Ask, HoldContext
from tollbook.ports.holds import HoldView


class HoldLine(msgspec.Struct, frozen=True, kw_only=True):
    """A hold in force. `amount_usd` is null where no budget counts dollars; `meters` is what it holds in each."""

    id: str
    kind: Literal["hold", "lease"]
    agent: str | None
    run: str | None
    model: str | None
    amount_usd: str | None
    expires_at: str
    meters: dict[str, str]


class Holds(msgspec.Struct, frozen=True):
    """By expiry, the first to end first."""

    rows: list[HoldLine]


@get(
    "/v1/holds",
    guards=[reader],
    security=SECURITY,
    tags=["gate"],
    summary="Holds in force",
    responses=problems(400, 401, 403, 503),
)
async def open_holds(
    services: World,
    principal: Who,
    tenant: Annotated[str | None, QueryParameter(name="tenant", description="The key's tenant when left out.")] = None,
    limit: Annotated[int, QueryParameter(name="limit", ge=1, le=1_000)] = 100,
) -> Holds:
    """Calls in flight of a tenant, and what each holds."""
    whose = own_tenant(principal, None if tenant is None else name_of(tenant, "tenant"))
    if whose is None:
        raise query_invalid("name the tenant: this key is bound to none")
    return Holds([_line(view, context) for view, context in await services.gate.open_holds(whose, limit)])


def _line(view: HoldView, context: HoldContext | None) -> HoldLine:
    ask: Ask | None = None if context is None else context.ask
    nanos = max((amount for meter, amount in view.amounts.items() if unit_of(meter) is Unit.USD), default=None)
    return HoldLine(
        id=view.hold_id,
        kind="lease" if view.lease else "hold",
        agent=None if ask is None else ask.agent,
        run=None if ask is None else ask.run,
        model=None if ask is None else ask.model,
        amount_usd=None if nanos is None else usd_text(nanos),
        expires_at=time_of_ms(view.expires_ms),
        meters={
            meter: usd_text(amount) if unit_of(meter) is Unit.USD else str(amount)
            for meter, amount in view.amounts.items()
        },
    )
