"""What is left of budgets in dollars over the course of their window, and what will be at this pace."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from tollbook.alerting.pace import Grown
from tollbook.domain.agent import within
from tollbook.domain.decision import BudgetFacts
from tollbook.domain.meter import ScopeKind, Unit, WindowKind
from tollbook.domain.window import ONE_DAY
from tollbook.enforcement.watch import State
from tollbook.pipeline.directory import Directory
from tollbook.ports.reading import Dimension, Reading, SpendRow
from tollbook.views.forecast import pace_from
from tollbook.views.tenants import TenantLine

_SHOWN_MAX = 6
_WINDOWS = (WindowKind.DAY, WindowKind.WEEK, WindowKind.MONTH)
_SCOPES = (ScopeKind.TENANT, ScopeKind.AGENT, ScopeKind.MODEL)
_HOUR = timedelta(hours=1)


class Point(NamedTuple):
    """What was left at the end of an hour or a day, in booked nano-dollars; `ahead`: what will be; None: not there."""

    at: date | datetime
    left: int | None
    ahead: int | None


class BurnDown(NamedTuple):
    """One budget of a tenant; `spent_at_end` is what its window comes to at this pace."""

    facts: BudgetFacts
    points: list[Point]
    spent_at_end: int


async def burn_downs(
    reading: Reading, directory: Directory, line: TenantLine, state: State | None, now: datetime
) -> list[BurnDown]:
    """The budgets in dollars of a day, a week or a month, the nearest to their limit first."""
    facts = [
        one
        for one in (() if state is None else state.budgets)
        if one.unit is Unit.USD and one.window in _WINDOWS and one.scope in _SCOPES and one.limit > 0
    ]
    facts.sort(key=lambda one: (-one.spent * 1_000_000 // one.limit, one.id))
    found = []
    for one in facts[:_SHOWN_MAX]:
        first, last = _days(one.window, line.day)
        over: Dimension = "hour" if one.window is WindowKind.DAY else "day"
        split: tuple[Dimension, ...] = () if one.scope is ScopeKind.TENANT else (_dimension(one.scope),)
        rows = await reading.spend(line.tenant, first, last, (over, *split))
        calendar = directory.tenancy.calendar_of(line.tenant)
        start, end = calendar.window_of(first).start, calendar.window_of(last).end
        mine = [(row.group[0], row.cost_nanos) for row in rows if _counts(one, row)]
        times: list[date | datetime] = _hours(start, end) if over == "hour" else _dates(first, last)
        found.append(burn_down(one, times, mine, (start, end), now))
    return found


def burn_down(
    facts: BudgetFacts,
    times: Sequence[date | datetime],
    spent: Sequence[tuple[object, int]],
    window: tuple[datetime, datetime],
    now: datetime,
) -> BurnDown:
    """The course of one budget: a day at the pace of its last hours, a week or a month at that of the whole so far."""
    amounts: dict[object, int] = {}
    for at, nanos in spent:
        amounts[at] = amounts.get(at, 0) + nanos
    total = sum(amounts.values())
    grown = Grown(total, now - window[0])
    if facts.window is WindowKind.DAY:
        since = max(window[0], pace_from(now))
        recent = sum(nanos for at, nanos in amounts.items() if isinstance(at, datetime) and at >= pace_from(now))
        grown = Grown(recent, now - since)
    points, used, reached = [], 0, 0
    for number, at in enumerate(times):
        used += amounts.get(at, 0)
        ends = window[0] + (window[1] - window[0]) * (number + 1) // len(times)
        begins = window[0] + (window[1] - window[0]) * number // len(times)
        left = facts.limit - used if begins <= now else None
        if left is not None:
            reached = number
        ahead = facts.limit - total - grown.ahead(ends - now) if ends > now and grown.known else None
        points.append(Point(at, left, ahead))
    if points:
        # The line ahead begins where the other one ends.
        points[reached] = points[reached]._replace(ahead=points[reached].left)
    return BurnDown(facts, points, total + grown.ahead(max(window[1] - now, timedelta())))


def _counts(facts: BudgetFacts, row: SpendRow) -> bool:
    match facts.scope:
        case ScopeKind.AGENT:
            return within(str(row.group[1]), facts.match)
        case ScopeKind.MODEL:
            return row.group[1] == facts.match
        case _:
            return True


def _dimension(scope: ScopeKind) -> Dimension:
    return "agent" if scope is ScopeKind.AGENT else "model"


def _days(window: WindowKind, today: date) -> tuple[date, date]:
    match window:
        case WindowKind.WEEK:
            first = today - ONE_DAY * today.weekday()
            return first, first + ONE_DAY * 6
        case WindowKind.MONTH:
            return today.replace(day=1), (today.replace(day=28) + ONE_DAY * 4).replace(day=1) - ONE_DAY
        case _:
            return today, today


def _hours(start: datetime, end: datetime) -> list[date | datetime]:
    first = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return [first + _HOUR * ahead for ahead in range(-(-(end - first) // _HOUR))]


def _dates(first: date, last: date) -> list[date | datetime]:
    return [first + ONE_DAY * ahead for ahead in range((last - first).days + 1)]
