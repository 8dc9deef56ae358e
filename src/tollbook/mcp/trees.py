"""Where a run's money went: agents with what they and those below them spent. Pure."""

from collections import defaultdict

from mcp.server.mcpserver.exceptions import ToolError

from tollbook.domain.agent import ancestors
from tollbook.domain.money import nanos_from_usd, usd_text
from tollbook.mcp.shapes import AgentCost, ModelCost, Run, RunExplained, RunRow

AGENTS_MAX = 60


def explained(found: Run) -> RunExplained:
    """A run by agent instance and by model. Raises `ToolError` where several tenants used the run's name."""
    tenants = sorted({row.tenant for row in found.rows})
    if len(tenants) > 1:
        raise ToolError(f"ambiguous: {len(tenants)} tenants used this run's name. Name one as `tenant`: {tenants[:20]}")
    own: dict[str, int] = defaultdict(int)
    inclusive: dict[str, int] = defaultdict(int)
    calls: dict[str, int] = defaultdict(int)
    for row in found.rows:
        cost = nanos_from_usd(row.cost_usd)
        own[row.agent] += cost
        calls[row.agent] += row.calls
        for path in (*ancestors(row.agent), row.agent):
            inclusive[path] += cost
    total = nanos_from_usd(found.total.cost_usd)
    dearest = sorted(inclusive, key=lambda path: (-inclusive[path], path))
    return RunExplained(
        run=found.run,
        tenant=tenants[0],
        first_ts=found.first_ts,
        last_ts=found.last_ts,
        total=found.total,
        agents=[
            AgentCost(
                agent=path,
                calls=calls[path],
                own_usd=usd_text(own[path]),
                inclusive_usd=usd_text(inclusive[path]),
                share_percent=percent(inclusive[path], total),
            )
            for path in dearest[:AGENTS_MAX]
        ],
        agents_left_off=max(0, len(dearest) - AGENTS_MAX),
        models=_models(found.rows),
        costliest_path=_costliest(inclusive),
    )


def percent(part: int, whole: int) -> str:
    """A share in per cent with one decimal, rounded down; `0.0` of nothing.

    >>> percent(1, 3), percent(0, 0)
    ('33.3', '0.0')
    """
    tenths = part * 1_000 // whole if whole > 0 else 0
    return f"{tenths // 10}.{tenths % 10}"


def _models(rows: list[RunRow]) -> list[ModelCost]:
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in rows:
        found = sums[row.model]
        found[0] += row.calls
        found[1] += nanos_from_usd(row.cost_usd)
        found[2] += nanos_from_usd(row.unpriced_usd)
    return [
        ModelCost(model=model, calls=calls, cost_usd=usd_text(cost), unpriced_usd=usd_text(unpriced))
        for model, (calls, cost, unpriced) in sorted(sums.items(), key=lambda item: -item[1][1])
    ]


def _costliest(inclusive: dict[str, int]) -> list[str]:
    path: list[str] = []
    while True:
        above = path[-1] if path else None
        below = [name for name in inclusive if (ancestors(name) or (None,))[-1] == above]
        if not below:
            return path
        path.append(max(below, key=lambda name: (inclusive[name], name)))
