"""Tools that read: spend, a tenant's day, runs, alerts, throttles, models without a price."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import Field

from tollbook.domain.money import nanos_from_usd
from tollbook.mcp.connection import Caller, segment
from tollbook.mcp.shapes import (
    Alert,
    Alerts,
    Dimension,
    Figures,
    Run,
    RunExplained,
    Shape,
    Spend,
    SpendRow,
    Status,
    Usd,
)
from tollbook.mcp.trees import explained

ROWS_MAX = 50
"""Groups that an answer shows unless more are asked for: a model reads them all."""
_PAGE = 1_000
_PAGES_MAX = 10

AlertType = Literal[
    "budget.threshold",
    "budget.burn_rate",
    "throttle.set",
    "throttle.cleared",
    "model.unpriced",
    "source.gap",
]


class Throttle(Shape):
    """A budget that refuses calls. `scope` and `value` say of what: a tenant, an agent, a model, a run, a tag."""

    tenant: str
    budget_id: str | None
    scope: str
    value: str
    window: str
    unit: str
    limit: str | None = Field(description="Of the budget, in `unit`: dollars as decimal text, else a whole number.")
    spent: str
    since: str
    reset_at: str | None = Field(description="When its window ends; null for a run's, which does not.")


class Throttles(Shape):
    """Budgets that refuse, by what is booked. `complete` is false where there were too many alerts to look at all."""

    rows: list[Throttle]
    complete: bool


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
    return explained(await caller.get(f"/v1/runs/{segment(run_name)}", Run, {"tenant": tenant}))


async def alerts(caller: Caller, *, tenant: str, types: list[AlertType], limit: int, cursor: str) -> Alerts:
    """A page of alerts; of those types alone where some are named, so that a page may be short."""
    found = await caller.get("/v1/alerts", Alerts, {"tenant": tenant, "limit": limit, "cursor": cursor})
    if not types:
        return found
    return found.model_copy(update={"rows": [row for row in found.rows if row.type in types]})


async def throttles(caller: Caller, tenant: str, now: datetime) -> Throttles:
    """Budgets whose last word was that they refuse, and whose window has not ended."""
    last: dict[tuple[object, ...], Alert] = {}
    cursor = ""
    for _ in range(_PAGES_MAX):
        page = await caller.get("/v1/alerts", Alerts, {"tenant": tenant, "limit": _PAGE, "cursor": cursor})
        for alert in page.rows:
            if alert.type in ("throttle.set", "throttle.cleared"):
                last.setdefault(_meter_of(alert), alert)
        cursor = page.next or ""
        if not cursor:
            break
    found = [_throttle(alert) for alert in last.values() if alert.type == "throttle.set"]
    open_ones = [row for row in found if row.reset_at is None or datetime.fromisoformat(row.reset_at) > now]
    return Throttles(rows=open_ones, complete=not cursor)


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


def sum_of(rows: list[SpendRow]) -> int:
    """What some groups cost, in nano-dollars."""
    return sum(nanos_from_usd(row.cost_usd) for row in rows)


def _dearest(row: Figures) -> int:
    return -nanos_from_usd(row.cost_usd)


def _meter_of(alert: Alert) -> tuple[object, ...]:
    facts = alert.data
    return (alert.tenant, *(facts.get(name) for name in ("scope", "value", "window", "unit")))


def _throttle(alert: Alert) -> Throttle:
    facts = alert.data
    budget = facts.get("budget")
    known = budget if isinstance(budget, dict) else {}
    reset_at = facts.get("reset_at")
    return Throttle(
        tenant=alert.tenant or "",
        budget_id=known.get("id"),
        scope=str(facts.get("scope", "")),
        value=str(facts.get("value", "")),
        window=str(facts.get("window", "")),
        unit=str(facts.get("unit", "")),
        limit=known.get("limit"),
        spent=str(facts.get("spent", "")),
        since=alert.raised_at,
        reset_at=None if reset_at is None else str(reset_at),
    )
