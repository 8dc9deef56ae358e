"""`/v1/spend`: sums over entries, by whatever one asks for."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, cast, get_args

import msgspec
from litestar import get
from litestar.params import QueryParameter
from msgspec import UNSET, UnsetType

from tollbook.api.answers import Figures, figures_of, time_text, total_of
from tollbook.api.asking import SECURITY, Who, World, name_of, query_invalid, reader
from tollbook.api.auth import own_tenant
from tollbook.api.failures import problems
from tollbook.api.services import Services
from tollbook.ports.reading import Dimension, SpendRow

_DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
_DAYS_MAX = 400
_ROWS_MAX = 50_000


class SpendLine(Figures, frozen=True, kw_only=True, omit_defaults=True):
    """One group; it has a member for each dimension asked for. `hour` is the start of a UTC hour."""

    tenant: str | UnsetType = UNSET
    day: str | UnsetType = UNSET
    hour: str | UnsetType = UNSET
    agent: str | UnsetType = UNSET
    model: str | UnsetType = UNSET


class Spend(msgspec.Struct, frozen=True, rename={"first_day": "from", "last_day": "to"}):
    """Groups, their total, and the days they cover."""

    rows: list[SpendLine]
    total: Figures
    first_day: str
    last_day: str


@get(
    "/v1/spend",
    guards=[reader],
    security=SECURITY,
    tags=["reading"],
    summary="Spend over days, grouped",
    responses=problems(400, 401, 403, 503),
)
async def spend(
    services: World,
    principal: Who,
    *,
    tenant: Annotated[str | None, QueryParameter(name="tenant", description="One tenant; all when left out.")] = None,
    first_day: Annotated[
        date | None, QueryParameter(name="from", description="First tenant-local day; today when left out.")
    ] = None,
    last_day: Annotated[
        date | None, QueryParameter(name="to", description="Last tenant-local day, included; today when left out.")
    ] = None,
    by: Annotated[
        str, QueryParameter(name="by", description="Any of tenant, day, hour, agent, model, separated by commas.")
    ] = "",
) -> Spend:
    """Sums over the tenants' local days `from`..`to`; the agent is the path of roles, without instances."""
    whose = own_tenant(principal, None if tenant is None else name_of(tenant, "tenant"))
    dimensions = dimensions_of(by)
    first_day, last_day = days_of(services, whose, first_day, last_day)
    found = await services.reading.spend(whose, first_day, last_day, dimensions, _ROWS_MAX + 1)
    if len(found) > _ROWS_MAX:
        raise query_invalid(f"more than {_ROWS_MAX} groups: ask for fewer days or dimensions")
    return Spend(
        rows=[_line(row, dimensions) for row in found],
        total=total_of(found),
        first_day=first_day.isoformat(),
        last_day=last_day.isoformat(),
    )


def dimensions_of(by: str) -> Sequence[Dimension]:
    """The dimensions named; raises a 400 on an unknown or a repeated one."""
    named = by.split(",") if by else []
    for name in named:
        if name not in _DIMENSIONS:
            raise query_invalid(f"by: no dimension {name[:64]!r}; there are {', '.join(_DIMENSIONS)}")
    if len(set(named)) < len(named):
        raise query_invalid("by: a dimension is named twice")
    return [cast("Dimension", name) for name in named]


def days_of(services: Services, tenant: str | None, first_day: date | None, last_day: date | None) -> tuple[date, date]:
    """The days asked for; what is left out is today, in the tenant's zone or the default one."""
    # No tenant is called '', so '' has the calendar of everyone without an own one.
    today = services.directory.tenancy.calendar_of(tenant or "").window_at(services.clock.now()).day
    last_day = last_day or max(today, first_day or today)
    first_day = first_day or min(today, last_day)
    if first_day > last_day:
        raise query_invalid("from: lies after `to`")
    if last_day - first_day >= timedelta(days=_DAYS_MAX):
        raise query_invalid(f"from, to: more than {_DAYS_MAX} days")
    return first_day, last_day


def _line(row: SpendRow, dimensions: Sequence[Dimension]) -> SpendLine:
    group = dict(zip(dimensions, map(_text_of, row.group), strict=True))
    return msgspec.convert(figures_of(row) | group, SpendLine)


def _text_of(value: str | date | datetime) -> str:
    if isinstance(value, str):
        return value
    return time_text(value) if isinstance(value, datetime) else value.isoformat()
