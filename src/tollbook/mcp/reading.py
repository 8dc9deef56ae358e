"""Tools that read: spend, a tenant's day, runs, alerts, throttles, models without a price."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from tollbook.domain.alert import AlertKind
from tollbook.domain.money import nanos_from_usd
from tollbook.mcp.connection import Caller, segment
from tollbook.mcp.shapes import (
    Alerts,
    Figures,
    Fleet,
    Refused,
    Run,
    RunExplained,
    Runs,
    Shape,
    Spend,
    Status,
    Tenants,
    Throttle,
    Usd,
)
from tollbook.mcp.trees import explained
from tollbook.ports.reading import Dimension

ROWS_MAX = 50
"""Groups that an answer shows unless more are asked for: a model reads them all."""


class Throttles(Shape):
    """Budgets that refuse, by what is booked; `rows_left_off` more are not shown."""

    rows: list[Throttle]
    rows_left_off: int


class Unpriced(Shape):
    """A model whose calls are billed at the ceiling because no price is known."""

    tenant: str | None
    model: str
    calls: int
    unpriced_usd: Usd


class UnpricedModels(Shape):
    """Models without a price in some days, the dearest first."""

    from_day: str
    to_day: str
    rows: list[Unpriced]
    what_to_do: str = "Add a price with `tollbook price set`; entries are then corrected by `tollbook reprice`."


async def spend(
    caller: Caller, *, tenant: str, from_day: str, to_day: str, by: list[Dimension], rows_max: int = ROWS_MAX
) -> Spend:
    """Sums, the dearest group first."""
    query = {"tenant": tenant, "from": from_day, "to": to_day, "by": ",".join(by)}
    found = await caller.get("/v1/spend", Spend, query)
    rows = found.rows if "day" in by or "hour" in by else sorted(found.rows, key=_dearest)
    left_off = max(0, len(rows) - rows_max)
    return found.model_copy(update={"rows": rows[:rows_max], "rows_left_off": left_off})


async def status(caller: Caller, tenant: str) -> Status:
    """A tenant's open day."""
    return await caller.get(f"/v1/tenants/{segment(tenant)}/status", Status)


async def run(caller: Caller, run_name: str, tenant: str) -> RunExplained:
    """A run with its agents' own and inclusive cost."""
    path = f"/v1/runs/{segment(run_name)}"
    told = explained(await caller.get(path, Run, {"tenant": tenant}))
    timeline = await caller.found(f"{path}/timeline", Refused, {"tenant": told.tenant})
    return told if timeline is None else told.model_copy(update={"refusals": timeline.refusals[:ROWS_MAX]})


async def alerts(caller: Caller, *, tenant: str, types: list[AlertKind], limit: int, cursor: str) -> Alerts:
    """A page of alerts; of those types alone where some are named, so that a page may be short."""
    found = await caller.get("/v1/alerts", Alerts, {"tenant": tenant, "limit": limit, "cursor": cursor})
    if not types:
        return found
    return found.model_copy(update={"rows": [row for row in found.rows if row.type in types]})


async def fleet(caller: Caller, tenant: str) -> Fleet:
    """Everything, or one tenant, at one glance."""
    return await caller.get("/v1/fleet", Fleet, {"tenant": tenant})


async def throttles(caller: Caller, tenant: str) -> Throttles:
    """Budgets that refuse now."""
    found = (await fleet(caller, tenant)).throttled
    return Throttles(rows=found[:ROWS_MAX], rows_left_off=max(0, len(found) - ROWS_MAX))


async def tenants(caller: Caller, *, order: str, limit: int, cursor: str) -> Tenants:
    """A page of tenants in their open days."""
    return await caller.get("/v1/tenants", Tenants, {"order": order, "limit": limit, "cursor": cursor})


async def runs(caller: Caller, query: Mapping[str, str | int]) -> Runs:
    """A page of runs."""
    return await caller.get("/v1/runs", Runs, query)


async def unpriced(caller: Caller, tenant: str, days: int, now: datetime) -> UnpricedModels:
    """Models whose calls were billed at the ceiling in the last days."""
    first = (now.astimezone(UTC) - timedelta(days=days - 1)).date()
    query = {"tenant": tenant, "from": first.isoformat(), "by": "tenant,model"}
    found = await caller.get("/v1/spend", Spend, query)
    rows = sorted((row for row in found.rows if nanos_from_usd(row.unpriced_usd)), key=_dearest)
    return UnpricedModels(
        from_day=found.from_day,
        to_day=found.to_day,
        rows=[
            Unpriced(tenant=row.tenant, model=row.model or "", calls=row.calls, unpriced_usd=row.unpriced_usd)
            for row in rows[:ROWS_MAX]
        ],
    )


def _dearest(row: Figures) -> int:
    return -nanos_from_usd(row.cost_usd)
