"""What a limit would have done in the days just passed, by the sums that are kept."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta

from pydantic import Field

from tollbook.domain.agent import ancestors
from tollbook.domain.budget import EACH, Budget
from tollbook.domain.meter import ScopeKind, Unit, WindowKind
from tollbook.domain.money import nanos_from_usd, usd_text
from tollbook.mcp.connection import Caller
from tollbook.mcp.shapes import Shape, Spend, SpendRow

_DAYS = {WindowKind.HOUR: 7, WindowKind.DAY: 30, WindowKind.WEEK: 56, WindowKind.MONTH: 92}
_SUMMED = {ScopeKind.TENANT: "tenant", ScopeKind.AGENT: "agent", ScopeKind.MODEL: "model"}
_WORST = 10

Bucket = tuple[str, str, str]
"""A window's begin, a tenant, and the value of the scope."""


class Crossing(Shape):
    """A window that would have reached the limit. Amounts are dollars as decimal text, else whole numbers as text."""

    tenant: str
    value: str = Field(description="Of the scope: an agent path or a model; empty where it is the tenant itself.")
    window_begins: str
    spent: str
    over_by: str


class Backtest(Shape):
    """How often the limit would have been reached. `counted` false: the sums that are kept cannot tell, see `note`."""

    counted: bool
    from_day: str | None = None
    windows: int = 0
    reached: int = 0
    worst: list[Crossing] = []
    now_open: list[Crossing] = Field(default=[], description="Windows open now that stand at the limit or above.")
    spent_now: str | None = Field(default=None, description="The most that any window it matches has spent by now.")
    note: str = ""


async def backtest(caller: Caller, budget: Budget, today: date) -> Backtest:
    """Count the windows of the days up to today that would have reached the limit; what is pending is not in them."""
    dimension = _SUMMED.get(budget.scope)
    days = _DAYS.get(budget.window)
    if dimension is None or days is None:
        return Backtest(
            counted=False, note=f"no sums are kept by {budget.scope} and {budget.window}: try it with notify"
        )
    first = today - timedelta(days=days - 1)
    by = ["tenant", "hour" if budget.window is WindowKind.HOUR else "day", dimension]
    query = {
        "tenant": budget.tenant,
        "from": first.isoformat(),
        "to": today.isoformat(),
        "by": ",".join(dict.fromkeys(by)),
    }
    found = await caller.get("/v1/spend", Spend, query)
    return judged(budget, found.rows, first, today)


def judged(budget: Budget, rows: Iterable[SpendRow], first: date, today: date) -> Backtest:
    """The verdict over rows by tenant, day or hour, and what the scope is."""
    sums: dict[Bucket, int] = defaultdict(int)
    for row in rows:
        begins = _begins(budget.window, row)
        for value in _values(budget, row):
            sums[begins, row.tenant or "", value] += _amount(budget.unit, row)
    over = sorted((bucket for bucket in sums if sums[bucket] >= budget.limit), key=lambda bucket: -sums[bucket])
    open_window = _window_of(budget.window, today)
    shown = [_crossing(budget, bucket, sums[bucket]) for bucket in over]
    open_sums = [amount for bucket, amount in sums.items() if bucket[0] >= open_window]
    return Backtest(
        counted=True,
        from_day=first.isoformat(),
        windows=len(sums),
        reached=len(over),
        worst=shown[:_WORST],
        now_open=[crossing for crossing in shown if crossing.window_begins >= open_window][:_WORST],
        spent_now=_text(budget.unit, max(open_sums, default=0)),
        note="by UTC hours" if budget.window is WindowKind.HOUR else "",
    )


def _values(budget: Budget, row: SpendRow) -> Iterator[str]:
    """The values of the scope that a row counts at and the budget matches."""
    if budget.scope is ScopeKind.TENANT:
        yield ""
        return
    name = (row.agent if budget.scope is ScopeKind.AGENT else row.model) or ""
    paths = (*ancestors(name), name) if budget.scope is ScopeKind.AGENT else (name,)
    yield from (path for path in paths if budget.match in (EACH, path))


def _begins(window: WindowKind, row: SpendRow) -> str:
    if window is WindowKind.HOUR:
        return row.hour or ""
    return _window_of(window, date.fromisoformat(row.day or ""))


def _window_of(window: WindowKind, day: date) -> str:
    """The first day of the window that a day lies in; for hours the day itself, which sorts before its hours."""
    if window is WindowKind.WEEK:
        return (day - timedelta(days=day.weekday())).isoformat()
    if window is WindowKind.MONTH:
        return day.replace(day=1).isoformat()
    return day.isoformat()


def _amount(unit: Unit, row: SpendRow) -> int:
    match unit:
        case Unit.USD:
            return nanos_from_usd(row.cost_usd)
        case Unit.TOKENS:
            return row.input + row.output
        case Unit.CALLS:
            return row.calls


def _crossing(budget: Budget, bucket: Bucket, amount: int) -> Crossing:
    begins, tenant, value = bucket
    return Crossing(
        tenant=tenant,
        value=value,
        window_begins=begins,
        spent=_text(budget.unit, amount),
        over_by=_text(budget.unit, amount - budget.limit),
    )


def _text(unit: Unit, amount: int) -> str:
    return usd_text(amount) if unit is Unit.USD else str(amount)


def day_of(text: str) -> date:
    """The day that a tenant's status names, or that a moment lies in.

    >>> day_of("2026-11-28T23:10:00Z"), day_of("2026-11-28")
    (datetime.date(2026, 11, 28), datetime.date(2026, 11, 28))
    """
    return datetime.fromisoformat(text).date()
