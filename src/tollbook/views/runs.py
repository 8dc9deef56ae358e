"""Runs: the list of them, and one as a tree of agent instances with its calls in time."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from tollbook.domain.access import Principal
from tollbook.domain.decision import Verdict
from tollbook.domain.errors import JournalUnavailable
from tollbook.domain.identity import id_time_ms
from tollbook.domain.meter import Unit, unit_of
from tollbook.domain.money import usd_text
from tollbook.ingest.otel.tree import Tree
from tollbook.pipeline.traces import known_span
from tollbook.ports.finding import EntryFilter, RunCursor, RunFilter
from tollbook.ports.reading import EntryRow, RunRow
from tollbook.ports.refusals import Refused
from tollbook.ports.spans import SpanView
from tollbook.views.asking import moment_of, name_of, own_tenant, usd_of
from tollbook.views.desk import Desk
from tollbook.views.entries import flags_of
from tollbook.views.figures import Figures, time_of_ms, time_text, total_of
from tollbook.views.problems import not_found, query_invalid

CALLS_MAX = 2_000
"""Calls that a timeline shows, the newest ones; sums are of all."""
SPANS_MAX = 5_000
_HOLDS_MAX = 1_000
_REFUSALS_MAX = 200
_UUID_CHARS = 36


class RunsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What runs are asked for, as it was written; `since` and `until` are about the first call. None: anything."""

    tenant: str | None = None
    agent: str | None = None
    model: str | None = None
    since: str | None = None
    until: str | None = None
    min_cost_usd: str | None = None


class RunListed(Figures, frozen=True, kw_only=True):
    """One run of a tenant: how many agent instances made calls in it, on which models, and what it came to."""

    tenant: str
    run: str
    first_ts: str
    last_ts: str
    agents: int
    models: list[str]


class Runs(msgspec.Struct, frozen=True):
    """Those that began last first; `next` is the `cursor` of the page behind it, null on the last.

    A page of a rare kind may be short or empty before the last: go on while there is a `next`.
    """

    rows: list[RunListed]
    next: str | None


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """One agent instance: what it spent itself (`own`) and with what it spawned (`inclusive`).

    `costliest` marks the path along which the most was spent. An instance without a call of its own
    has an empty `own`.
    """

    agent: str
    name: str
    parent: str | None
    depth: int
    first_ts: str
    last_ts: str
    own: Figures
    inclusive: Figures
    costliest: bool


class RunCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call as it stands. `started_at` is known where a trace told it, `held_at` where the call was made under a hold.

    `cache_share` is the part of the input that came from a cache, as decimal text; null without input.
    """

    entry_id: str
    ts: str
    started_at: str | None
    held_at: str | None
    agent: str
    model: str
    provider: str | None
    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int
    cache_share: str | None
    cost_usd: str
    flags: list[str]
    corrected: bool
    failed: bool


class RunHold(msgspec.Struct, frozen=True, kw_only=True):
    """A hold of the run that is open now; `amount_usd` is null where no budget counts dollars."""

    id: str
    agent: str
    model: str
    amount_usd: str | None
    expires_at: str


class RunRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """Calls alike that the gate refused, counted by it; `budget` is the one that did, null where none decided."""

    agent: str
    model: str
    verdict: Verdict
    budget: str | None
    times: int
    first_at: str
    last_at: str


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it went. Instances come in the order of their tree, calls in that of time.

    `cut`: there are more calls than are shown. `holds` is null while the counters are away. `spans` is how many steps
    traces told of.
    """

    tenant: str
    run: str
    first_ts: str
    last_ts: str
    total: Figures
    instances: list[Instance]
    calls: list[RunCall]
    cut: bool
    holds: list[RunHold] | None
    refusals: list[RunRefusal]
    spans: int


async def listed(desk: Desk, principal: Principal, asked: RunsAsked, cursor: str | None, limit: int) -> Runs:
    """A page of runs."""
    whose = own_tenant(principal, None if asked.tenant is None else name_of(asked.tenant, "tenant"))
    wanted = RunFilter(
        agent=None if asked.agent is None else name_of(asked.agent, "agent"),
        model=None if asked.model is None else name_of(asked.model, "model"),
        since=None if asked.since is None else moment_of(asked.since, "from"),
        until=None if asked.until is None else moment_of(asked.until, "to"),
        cost_nanos_min=None if asked.min_cost_usd is None else usd_of(asked.min_cost_usd, "min_cost_usd"),
    )
    page = await desk.finding.runs(whose, None if cursor is None else _cursor_of(cursor), limit, wanted)
    rows = [
        RunListed(
            tenant=row.tenant,
            run=row.run,
            first_ts=time_text(row.first_ts),
            last_ts=time_text(row.last_ts),
            agents=row.agents,
            models=row.models,
            **msgspec.structs.asdict(total_of([row])),
        )
        for row in page.rows
    ]
    return Runs(rows, None if page.more is None else _cursor_text(page.more))


async def timeline(desk: Desk, principal: Principal, run: str, tenant: str | None) -> Timeline:
    """One run of one tenant; raises a 404 where nothing is booked and nothing was refused in it."""
    whose = own_tenant(principal, None if tenant is None else name_of(tenant, "tenant"))
    name = name_of(run, "run")
    found = await desk.reading.run(whose, name)
    tenants = sorted({owner for owner, _ in found})
    if len(tenants) > 1:
        raise query_invalid(f"name the tenant: {', '.join(tenants[:10])} use this run's name")
    if not tenants:
        raise not_found("nothing is booked in this run")
    owner, rows = tenants[0], [row for _, row in found]
    page = await desk.finding.entries(owner, None, CALLS_MAX, EntryFilter(run=name))
    spans = await desk.spans.run(owner, name, SPANS_MAX)
    refusals = await desk.refusals.of_run(owner, name, _REFUSALS_MAX)
    return Timeline(
        tenant=owner,
        run=name,
        first_ts=time_text(min(row.first_ts for row in rows)),
        last_ts=time_text(max(row.last_ts for row in rows)),
        total=total_of(rows),
        instances=instances_of(rows),
        calls=_calls(page.rows, _told(spans)),
        cut=page.more is not None,
        holds=await _holds(desk, owner, name),
        refusals=[_refusal(one) for one in refusals],
        spans=len(spans),
    )


class _Sum:
    """Rows of an instance and, in `inclusive`, of all below it."""

    def __init__(self) -> None:
        self.own: list[RunRow] = []
        self.inclusive: list[RunRow] = []
        self.children: list[str] = []

    @property
    def nanos(self) -> int:
        return sum(row.cost_nanos for row in self.inclusive)


def instances_of(rows: Iterable[RunRow]) -> list[Instance]:
    """The tree of a run's agent instances; children stand behind their parent, those that began first before others."""
    sums: dict[str, _Sum] = {}
    for row in rows:
        path = row.agent.split("/")
        for depth in range(1, len(path) + 1):
            agent = "/".join(path[:depth])
            if agent not in sums:
                sums[agent] = _Sum()
                if depth > 1:
                    sums["/".join(path[: depth - 1])].children.append(agent)
            sums[agent].inclusive.append(row)
        sums[row.agent].own.append(row)
    roots = [agent for agent in sums if "/" not in agent]
    marked = set(_costliest(roots, sums))
    found: list[Instance] = []
    waiting = _by_start(roots, sums)[::-1]
    while waiting:
        agent = waiting.pop()
        found.append(_instance(agent, sums[agent], agent in marked))
        waiting += _by_start(sums[agent].children, sums)[::-1]
    return found


def _by_start(agents: Iterable[str], sums: Mapping[str, _Sum]) -> list[str]:
    return sorted(agents, key=lambda agent: (min(row.first_ts for row in sums[agent].inclusive), agent))


def _costliest(roots: Sequence[str], sums: Mapping[str, _Sum]) -> Iterable[str]:
    """From the root that spent most, down to the instance that did."""
    agents = roots
    while agents:
        agent = max(agents, key=lambda one: (sums[one].nanos, one))
        if sums[agent].nanos <= 0:
            return
        yield agent
        agents = sums[agent].children


def _instance(agent: str, sums: _Sum, costliest: bool) -> Instance:
    parent, _, name = agent.rpartition("/")
    return Instance(
        agent=agent,
        name=name,
        parent=parent or None,
        depth=agent.count("/"),
        first_ts=time_text(min(row.first_ts for row in sums.inclusive)),
        last_ts=time_text(max(row.last_ts for row in sums.inclusive)),
        own=total_of(sums.own),
        inclusive=total_of(sums.inclusive),
        costliest=costliest,
    )


class _Span(NamedTuple):
    started_at: datetime
    failed: bool


def _told(views: Sequence[SpanView]) -> dict[str, _Span]:
    """What spans say of calls, by the id of their event."""
    by_id = {(view.trace_id, view.span_id): view for view in views}
    tree = Tree(known_span(view) for view in views)
    told: dict[str, _Span] = {}
    for one in tree:
        placed = tree.placed(one)
        if placed is not None:
            view = by_id[one.trace_id, one.span_id]
            told[placed.id] = _Span(view.started_at, view.failed)
    return told


def _calls(rows: Sequence[EntryRow], told: Mapping[str, _Span]) -> list[RunCall]:
    """The calls that stand, in the order of time."""
    corrected = {row.corrects for row in rows if row.corrects is not None}
    reversed_nth: dict[str, int] = {}
    for row in rows:
        if row.calls < 0 and row.corrects is not None:
            reversed_nth[row.corrects] = reversed_nth.get(row.corrects, 0) + 1
    by_call: dict[str, list[EntryRow]] = {}
    for row in rows:
        if row.calls > 0:
            by_call.setdefault(row.corrects or row.entry_id, []).append(row)
    standing: list[EntryRow] = []
    for call, made in by_call.items():
        made.sort(key=lambda row: row.nth or 0)
        standing += made[reversed_nth.get(call, 0) :]
    standing.sort(key=lambda row: (row.ts, row.entry_id))
    return [_call(row, told.get(row.event_id or ""), row.corrects in corrected) for row in standing]


def _call(row: EntryRow, span: _Span | None, corrected: bool) -> RunCall:
    held_ms = None if row.hold is None else id_time_ms(row.hold[:_UUID_CHARS])
    return RunCall(
        entry_id=row.entry_id,
        ts=time_text(row.ts),
        started_at=None if span is None else time_text(span.started_at),
        held_at=None if held_ms is None else time_of_ms(held_ms),
        agent=row.agent,
        model=row.model,
        provider=row.provider,
        input=row.input,
        output=row.output,
        cache_read=row.cache_read,
        cache_write=row.cache_write_5m + row.cache_write_1h,
        reasoning=row.reasoning,
        cache_share=share_text(row.cache_read, row.input),
        cost_usd=usd_text(row.cost_nanos),
        flags=flags_of(row),
        corrected=corrected,
        failed=span is not None and span.failed,
    )


def share_text(part: int, whole: int) -> str | None:
    """A share as decimal text with three places, rounded down; None of nothing.

    >>> share_text(2, 3), share_text(1, 0)
    ('0.666', None)
    """
    if whole <= 0:
        return None
    permille = part * 1000 // whole
    return f"{permille // 1000}.{permille % 1000:03d}"


async def _holds(desk: Desk, tenant: str, run: str) -> list[RunHold] | None:
    try:
        found = await desk.gate.open_holds(tenant, _HOLDS_MAX)
    except JournalUnavailable:
        return None
    holds: list[RunHold] = []
    for view, context in found:
        if context is None or context.ask.run != run:
            continue
        nanos = max((amount for meter, amount in view.amounts.items() if unit_of(meter) is Unit.USD), default=None)
        holds.append(
            RunHold(
                id=view.hold_id,
                agent=context.ask.agent,
                model=context.degraded_to or context.ask.model,
                amount_usd=None if nanos is None else usd_text(nanos),
                expires_at=time_of_ms(view.expires_ms),
            )
        )
    return holds


def _refusal(one: Refused) -> RunRefusal:
    return RunRefusal(
        agent=one.agent,
        model=one.model,
        verdict=Verdict(one.verdict),
        budget=one.budget or None,
        times=one.times,
        first_at=time_text(one.first_at),
        last_at=time_text(one.last_at),
    )


def _cursor_text(cursor: RunCursor) -> str:
    packed = msgspec.json.encode((cursor[0].astimezone(UTC).isoformat(), cursor[1], cursor[2]))
    return urlsafe_b64encode(packed).decode()


def _cursor_of(text: str) -> RunCursor:
    try:
        return msgspec.json.decode(urlsafe_b64decode(text), type=tuple[datetime, str, str])
    except (ValueError, msgspec.MsgspecError) as error:
        raise query_invalid("cursor: take it from `next` of the page before, unchanged") from error
