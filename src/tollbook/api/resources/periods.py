"""`/v1/periods`: which months are closed, and closing one."""

from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from tollbook.api.asking import SECURITY, Who, World, admin, name_of, reader
from tollbook.api.auth import own_tenant
from tollbook.api.failures import problems
from tollbook.api.problems import Problem
from tollbook.api.resources.statements import period_of
from tollbook.domain.money import usd_text
from tollbook.ports.statements import Close
from tollbook.statements.closing import PeriodOpen
from tollbook.statements.wire import instant_text

_TAGS = ["statements"]
_SEALING_S = 5.0
"""Longer than this nobody waits for an answer; what is left is kept by asking again."""


class CloseAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose period to close: one tenant's, or everyone's when left out."""

    tenant: str | None = None


class ClosedPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """A close. `tenant` null is everyone; `period` closes every earlier one too."""

    period: str
    tenant: str | None
    closed_at: str
    closed_by: str


class ClosedPeriodRow(ClosedPeriod, frozen=True, kw_only=True):
    """A close with how many statements are kept of its period, and their sum."""

    statements: int
    cost_usd: str


class PeriodList(msgspec.Struct, frozen=True):
    """Closes, newest period first."""

    rows: list[ClosedPeriodRow]


class CloseAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The close that the period has. `is_new` says whether this request made it, `kept` how many statements it kept.

    `complete` false: more wait to be kept; they read the same meanwhile. Ask again to go on.
    """

    close: ClosedPeriod
    is_new: bool
    kept: int
    complete: bool


@get(
    "/v1/periods",
    guards=[reader],
    security=SECURITY,
    tags=_TAGS,
    summary="Closed periods",
    responses=problems(400, 401, 403, 503),
)
async def periods(
    services: World,
    principal: Who,
    *,
    tenant: Annotated[str | None, QueryParameter(name="tenant", description="A tenant's; all when left out.")] = None,
) -> PeriodList:
    """Who closed which month, and when. A month that is not listed, or behind those listed, is open."""
    whose = own_tenant(principal, None if tenant is None else name_of(tenant, "tenant"))
    found = await services.periods.closes(whose)
    return PeriodList([
        ClosedPeriodRow(
            **msgspec.structs.asdict(_shown(one.close)), statements=one.statements, cost_usd=usd_text(one.cost_nanos)
        )
        for one in found
    ])  # fmt: skip


@post(
    "/v1/periods/{period:str}/close",
    status_code=200,
    guards=[admin],
    security=SECURITY,
    tags=_TAGS,
    summary="Close a period",
    responses=problems(400, 401, 403, 409, 503),
)
async def close_period(
    services: World, principal: Who, period: FromPath[str], data: JSONBody[CloseAsked]
) -> CloseAnswer:
    """What is booked for the month from now on becomes a correction in the next one. There is no opening again."""
    whose = own_tenant(principal, None if data.tenant is None else name_of(data.tenant, "tenant"))
    which = period_of(period)
    await services.directory.refresh()
    try:
        close, is_new = await services.periods.close(whose, which, f"key {principal.key_id}")
    except PeriodOpen as error:
        raise Problem(409, "period_open", str(error)) from error
    kept, until = 0, services.clock.monotonic() + _SEALING_S
    async for count in services.periods.seal(close, which):
        kept += count
        if services.clock.monotonic() > until:
            return CloseAnswer(close=_shown(close), is_new=is_new, kept=kept, complete=False)
    return CloseAnswer(close=_shown(close), is_new=is_new, kept=kept, complete=True)


def _shown(close: Close) -> ClosedPeriod:
    return ClosedPeriod(
        period=close.period.text,
        tenant=close.tenant,
        closed_at=instant_text(close.closed_at),
        closed_by=close.closed_by,
    )
