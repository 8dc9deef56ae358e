"""A run as a tree of agent instances: what each spent itself, and with all below it."""

from collections.abc import Iterable, Sequence

import msgspec

from tollbook.domain.agent import roles
from tollbook.terminal.answers import Run, RunLine, Sums

_PART = "/"


class Instance(msgspec.Struct, kw_only=True):
    """One agent instance. `own` is what it spent itself, `inclusive` that and everything below; `models` by cost.

    `costliest` marks the path from the top to where most of the money went.
    """

    agent: str
    own: Sums = Sums()
    inclusive: Sums = Sums()
    models: dict[str, int] = {}
    children: list["Instance"] = []
    costliest: bool = False


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """What one tenant spent in a run; the roots' inclusive costs add up to the total."""

    run: str
    tenant: str
    first_ts: str
    last_ts: str
    total: Sums
    roots: list[Instance]

    def document(self) -> dict[str, object]:
        """As `--json` shows it: instances from the top down, each with its depth."""
        return {
            "run": self.run,
            "tenant": self.tenant,
            "first_ts": self.first_ts,
            "last_ts": self.last_ts,
            "total": self.total.shown(),
            "instances": [
                {
                    "agent": each.agent,
                    "parent": parent,
                    "depth": depth,
                    "own": each.own.shown(),
                    "inclusive": each.inclusive.shown(),
                    "costliest": each.costliest,
                    "models": sorted(each.models, key=lambda name: (-each.models[name], name)),
                }
                for each, parent, depth in walk(self.roots)
            ],
        }


def trees_of(run: Run, *, by_role: bool = False) -> list[Tree]:
    """One tree for each tenant that used the run's name, the dearest first. `by_role` adds up instances of a role."""
    by_tenant: dict[str, list[RunLine]] = {}
    for row in run.rows:
        by_tenant.setdefault(row.tenant, []).append(row)
    found = [_tree(run.run, tenant, rows, by_role=by_role) for tenant, rows in by_tenant.items()]
    return sorted(found, key=lambda tree: (-tree.total.cost_nanos, tree.tenant))


def walk(roots: Iterable[Instance]) -> Iterable[tuple[Instance, str | None, int]]:
    """Every instance with its parent's path and its depth, parents before their children."""
    waiting: list[tuple[Instance, str | None, int]] = [(root, None, 0) for root in reversed(list(roots))]
    while waiting:
        each, parent, depth = waiting.pop()
        yield each, parent, depth
        waiting += [(child, each.agent, depth + 1) for child in reversed(each.children)]


def guided(roots: Sequence[Instance], depth: int | None = None, *, plain: bool = False) -> list[tuple[str, Instance]]:
    """Instances from the top down, each with the branches that lead to it; those deeper than `depth` are left out."""
    tee, corner, pipe, space = ("|- ", "`- ", "|  ", "   ") if plain else ("├─ ", "└─ ", "│  ", "   ")
    found: list[tuple[str, Instance]] = []
    waiting: list[tuple[str, str, Instance, int]] = [("", "", root, 1) for root in reversed(roots)]
    while waiting:
        guide, below, each, level = waiting.pop()
        found.append((guide, each))
        if depth is not None and level >= depth:
            continue
        last = each.children[-1] if each.children else None
        waiting += [
            (below + (corner if child is last else tee), below + (space if child is last else pipe), child, level + 1)
            for child in reversed(each.children)
        ]
    return found


def _tree(run: str, tenant: str, rows: list[RunLine], *, by_role: bool) -> Tree:
    nodes: dict[str, Instance] = {}
    roots: list[Instance] = []
    total = Sums()
    for row in rows:
        sums = row.sums()
        total += sums
        path = ""
        above: Instance | None = None
        for segment in (roles(row.agent) if by_role else row.agent).split(_PART):
            path = f"{path}{_PART}{segment}" if path else segment
            node = nodes.get(path)
            if node is None:
                node = nodes[path] = Instance(agent=path)
                (roots if above is None else above.children).append(node)
            node.inclusive += sums
            above = node
        if above is not None:
            above.own += sums
            above.models[row.model] = above.models.get(row.model, 0) + sums.cost_nanos
    for node in nodes.values():
        _sort(node.children)
    _sort(roots)
    _mark(roots)
    return Tree(
        run=run,
        tenant=tenant,
        first_ts=min(row.first_ts for row in rows),
        last_ts=max(row.last_ts for row in rows),
        total=total,
        roots=roots,
    )


def _sort(nodes: list[Instance]) -> None:
    nodes.sort(key=lambda node: (-node.inclusive.cost_nanos, node.agent))


def _mark(level: list[Instance]) -> None:
    """Down from the top, always to the dearest child, until an instance spent more itself than its dearest child."""
    while level and level[0].inclusive.cost_nanos > 0:
        node = level[0]
        node.costliest = True
        dearest = node.children[0].inclusive.cost_nanos if node.children else 0
        level = node.children if dearest >= node.own.cost_nanos else []
