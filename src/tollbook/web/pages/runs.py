"""Runs: the list of them, and one as the tree of its agent instances in time."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from litestar import get
from litestar.params import FromPath

from tollbook.domain.money import nanos_from_usd
from tollbook.views.runs import Instance, RunCall, RunListed, Runs, RunsAsked, Timeline, listed, timeline
from tollbook.web.access import SiteGiven, Who, signed_in
from tollbook.web.answering import Sheet, View, answered
from tollbook.web.asked import asked, asked_moment, rows_asked
from tollbook.web.session import Answer, PageRequest, Viewer
from tollbook.web.site import Site

_SLASH_INSIDE = "\x1f"
_SHARES = 10_000
_THIN = 30
"""Hundredths of a per cent: a call without a length is drawn as wide as this."""
_TICKS_MAX = 400
_FIGURES = ("calls", "cost_usd", "unpriced_usd", "input", "output", "cache_read", "cache_write", "reasoning")
_DEEPEST = 12


class Tick(NamedTuple):
    """A call in its lane: where it lies in the run's time, in per cent, and what it is."""

    x: str
    width: str
    said: str
    failed: bool


class Lane(NamedTuple):
    """An instance's line in the timeline."""

    instance: Instance
    x: str
    width: str
    ticks: list[Tick]
    steps: int


@get("/runs", guards=[signed_in])
async def runs(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """Runs, those that began last first, live while the first page is shown."""

    async def look() -> View:
        return await _list(request, site, viewer)

    return await answered(request, viewer, look)


@get("/runs/{run:str}", guards=[signed_in])
async def run(request: PageRequest, site: SiteGiven, viewer: Who, run: FromPath[str]) -> Answer:
    """One run as it went."""

    async def look() -> View:
        told = await timeline(site, viewer.principal, run.replace(_SLASH_INSIDE, "/"), asked(request, "tenant"))
        shown = {"told": told, "lanes": lanes_of(told), "lasted_s": _seconds(told.first_ts, told.last_ts)}
        return View("run.html", f"Run {told.run}", told, _calls(told), shown)

    return await answered(request, viewer, look)


async def _list(request: PageRequest, site: Site, viewer: Viewer) -> View:
    wanted = RunsAsked(
        tenant=asked(request, "tenant"),
        agent=asked(request, "agent"),
        model=asked(request, "model"),
        since=asked_moment(request, "from"),
        until=asked_moment(request, "to"),
        min_cost_usd=asked(request, "min_cost_usd"),
    )
    rows = rows_asked(request)
    page: Runs = await listed(site, viewer.principal, wanted, asked(request, "cursor"), rows)
    shown = {
        "page": page,
        "wanted": wanted,
        "most": max((nanos_from_usd(row.cost_usd) for row in page.rows), default=0),
        "first": asked(request, "cursor") is not None,
        "filtered": any(asked(request, name) for name in ("tenant", "agent", "model", "from", "to", "min_cost_usd")),
        "days": {name: asked(request, name) for name in ("from", "to")},
        "seconds": _seconds,
    }
    columns = ("tenant", "run", "first_ts", "last_ts", "agents", "models", *_FIGURES)
    return View("runs.html", "Runs", page, Sheet(columns, (_row(row) for row in page.rows)), shown)


def _row(row: RunListed) -> tuple[str | int | None, ...]:
    own = (row.tenant, row.run, row.first_ts, row.last_ts, row.agents, " ".join(row.models))
    return (*own, *(getattr(row, figure) for figure in _FIGURES))


def _calls(told: Timeline) -> Sheet:
    columns = (
        "entry_id",
        "ts",
        "started_at",
        "agent",
        "model",
        "input",
        "output",
        "cache_read",
        "cache_write",
        "cost_usd",
    )
    return Sheet(columns, (tuple(getattr(call, column) for column in columns) for call in told.calls))


def _seconds(first: str, last: str) -> float:
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


def lanes_of(told: Timeline) -> list[Lane]:
    """Each instance with its place in the run's time and its calls in theirs."""
    begins = [*(one.first_ts for one in told.instances), *(call.started_at for call in told.calls if call.started_at)]
    span = _Span(min(begins), max(one.last_ts for one in told.instances))
    of_instance: dict[str, list[RunCall]] = defaultdict(list)
    for call in told.calls:
        of_instance[call.agent].append(call)
    shown = 0
    lanes: list[Lane] = []
    for one in told.instances:
        calls = of_instance[one.agent][: max(0, _TICKS_MAX - shown)]
        shown += len(calls)
        first = min([one.first_ts, *(call.started_at for call in calls if call.started_at)])
        x, width = span.place(first, one.last_ts)
        lanes.append(Lane(one, x, width, _ticks(calls, span), min(one.depth, _DEEPEST)))
    return lanes


class _Span:
    """The time of a run as a hundred per cent."""

    def __init__(self, first: str, last: str) -> None:
        self._first = datetime.fromisoformat(first)
        self._whole = max(datetime.fromisoformat(last) - self._first, datetime.resolution)

    def place(self, first: str, last: str) -> tuple[str, str]:
        """Where something begins and how wide it is, never past the end."""
        begin = (datetime.fromisoformat(first) - self._first) * _SHARES // self._whole
        end = (datetime.fromisoformat(last) - self._first) * _SHARES // self._whole
        width = max(end - begin, _THIN)
        begin = max(0, min(begin, _SHARES - width))
        return f"{begin / 100:.2f}%", f"{width / 100:.2f}%"


def _ticks(calls: Sequence[RunCall], span: _Span) -> list[Tick]:
    found: list[Tick] = []
    for call in calls:
        x, width = span.place(call.started_at or call.ts, call.ts)
        failed = " (failed)" if call.failed else ""
        found.append(Tick(x, width, f"{call.model}: ${call.cost_usd}{failed}", call.failed))
    return found
