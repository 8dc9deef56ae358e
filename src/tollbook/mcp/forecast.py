"""What a tenant's day or month will come to at its present pace. Whole nano-dollars throughout."""

from datetime import UTC, date, datetime, timedelta
from typing import Literal

from pydantic import Field

from tollbook.domain.money import nanos_from_usd, usd_text
from tollbook.mcp.connection import Caller
from tollbook.mcp.reading import status
from tollbook.mcp.shapes import Budgets, Shape, Spend, SpendRow, Usd

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_DAY_REACH = 3
_MONTH_REACH = 7
_BUDGETS_PAGE = 1_000

Kind = Literal["day", "month"]


class Forecast(Shape):
    """A straight line from the present pace to the window's end: no season, no plan is known."""

    tenant: str
    window: Kind
    began: str = Field(description="The day, or the first day of the month, in the tenant's zone.")
    spent_usd: Usd
    pace_usd_per_hour: Usd
    pace_of: str = Field(description="The time that the pace was measured over.")
    projected_usd: Usd = Field(description="`spent_usd` at the window's end, at this pace.")
    limit_usd: Usd | None = Field(description="What the tenant may spend in this window in all; null: nothing says so.")
    limit_reached_at: str | None = Field(description="When this pace reaches the limit; null: not in this window.")
    ends_at: str


async def forecast(caller: Caller, tenant: str, window: Kind, now: datetime) -> Forecast:
    """The forecast of the open window."""
    return await (_day(caller, tenant, now) if window == "day" else _month(caller, tenant, now))


async def _day(caller: Caller, tenant: str, now: datetime) -> Forecast:
    today = await status(caller, tenant)
    # The hours just passed may be yesterday's.
    yesterday = date.fromisoformat(today.day) - _DAY
    query = {"tenant": tenant, "from": yesterday.isoformat(), "to": today.day, "by": "hour"}
    hours = (await caller.get("/v1/spend", Spend, query)).rows
    since = _floor_hour(now) - (_DAY_REACH - 1) * _HOUR
    recent = [row for row in hours if row.hour is not None and datetime.fromisoformat(row.hour) >= since]
    pending = nanos_from_usd(today.pending_usd or "0")
    return straight_line(
        tenant=tenant,
        window="day",
        began=today.day,
        spent=nanos_from_usd(today.settled_usd) + pending,
        recent=_cost(recent) + pending,
        over=now - since,
        now=now,
        end=datetime.fromisoformat(today.reset_at),
        limit=None if today.limit_usd is None else nanos_from_usd(today.limit_usd),
    )


async def _month(caller: Caller, tenant: str, now: datetime) -> Forecast:
    today = await status(caller, tenant)
    day = date.fromisoformat(today.day)
    first = day.replace(day=1)
    # The present pace may reach back into the month before.
    since = day - (_MONTH_REACH - 1) * _DAY
    query = {"tenant": tenant, "from": min(first, since).isoformat(), "to": today.day, "by": "day"}
    days = (await caller.get("/v1/spend", Spend, query)).rows
    pending = nanos_from_usd(today.pending_usd or "0")
    day_ends = datetime.fromisoformat(today.reset_at)
    after = _first_of_next(first)
    return straight_line(
        tenant=tenant,
        window="month",
        began=first.isoformat(),
        spent=_cost([row for row in days if (row.day or "") >= first.isoformat()]) + pending,
        recent=_cost([row for row in days if (row.day or "") >= since.isoformat()]) + pending,
        over=(_MONTH_REACH - 1) * _DAY + (now - (day_ends - _DAY)),
        now=now,
        end=day_ends + (after - day - _DAY),
        limit=await _month_limit(caller, tenant),
    )


def straight_line(
    *,
    tenant: str,
    window: Kind,
    began: str,
    spent: int,
    recent: int,
    over: timedelta,
    now: datetime,
    end: datetime,
    limit: int | None,
) -> Forecast:
    """The straight line: `recent` nano-dollars in the time `over` up to now go on until the end."""
    seconds = max(1, int(over.total_seconds()))
    left = max(0, int((end - now).total_seconds()))
    reached = None
    if limit is not None:
        if spent >= limit:
            reached = now
        elif recent > 0 and (wait := -(-(limit - spent) * seconds // recent)) <= left:
            reached = now + timedelta(seconds=wait)
    return Forecast(
        tenant=tenant,
        window=window,
        began=began,
        spent_usd=usd_text(spent),
        pace_usd_per_hour=usd_text(recent * 3_600 // seconds),
        pace_of=f"the last {seconds // 3_600} hours and {seconds % 3_600 // 60} minutes",
        projected_usd=usd_text(spent + recent * left // seconds),
        limit_usd=None if limit is None else usd_text(limit),
        limit_reached_at=None if reached is None else _text(reached),
        ends_at=_text(end),
    )


async def _month_limit(caller: Caller, tenant: str) -> int | None:
    """The tenant's own limit a month, else everyone's."""
    found = await caller.get("/v1/budgets", Budgets, {"tenant": tenant, "limit": _BUDGETS_PAGE})
    monthly = [
        row for row in found.rows if (row.scope, row.window) == ("tenant", "month") and row.limit_usd is not None
    ]
    chosen = min(monthly, key=lambda row: row.tenant is None, default=None)
    return None if chosen is None or chosen.limit_usd is None else nanos_from_usd(chosen.limit_usd)


def _cost(rows: list[SpendRow]) -> int:
    return sum(nanos_from_usd(row.cost_usd) for row in rows)


def _floor_hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _first_of_next(first: date) -> date:
    return (first.replace(day=28) + 4 * _DAY).replace(day=1)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
