"""Budgets of a world, set as the API sets them, and calls that ask for room in them."""

from typing import Any

import httpx2
import msgspec

from tests.world import NANOS_PER_TOKEN, World
from tollbook.domain.access import Role
from tollbook.domain.budget import DEFAULT_DAILY, Budget
from tollbook.domain.meter import ScopeKind, Unit, WindowKind
from tollbook.ports.config import BudgetChange

USD = 1_000_000_000
CALL = {"tenant": "acme", "agent": "planner/researcher", "model": "m-1", "input_tokens": 100, "max_output_tokens": 50}
COST = 150 * NANOS_PER_TOKEN


def budget(limit: int, id_: str = DEFAULT_DAILY, **more: Any) -> Budget:
    """A budget of the whole tenant's day in dollars, unless told otherwise."""
    fields = {"scope": ScopeKind.TENANT, "window": WindowKind.DAY, "unit": Unit.USD, **more}
    return Budget(id=id_, limit=limit, **fields)


def set_budgets(world: World, *budgets: Budget, tenant: str | None = "acme") -> None:
    """Let a tenant (None: everyone) have these budgets and no others but its day's, in force before this returns."""
    kept = {one.id: msgspec.structs.replace(one, tenant=tenant) for one in budgets}
    former = world.run(world.config.budgets([tenant]))
    gone = [row.budget.id for row in former if row.budget.id not in kept and row.budget.id != DEFAULT_DAILY]
    changes = [BudgetChange(tenant, id_, kept.get(id_)) for id_ in (*gone, *kept)]
    world.run(world.limits.enforce(world.run(world.config.change_budgets(changes, "test", world.clock.now()))))
    world.run(world.directory.refresh())


class Asking:
    """A world with budgets beside its counters, and a key that may send."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.drain()
        self.key = world.key(Role.INGEST)
        self.budgets(budget(50 * USD))

    def budgets(self, *budgets: Budget, tenant: str | None = "acme") -> None:
        """Let a tenant have these budgets."""
        set_budgets(self.world, *budgets, tenant=tenant)

    def post(
        self, path: str, body: dict[str, Any] | None = None, key: str | None = None, **more: Any
    ) -> httpx2.Response:
        """One POST of a call."""
        return self.world.ask("POST", path, key or self.key, json={**CALL, **(body or {})}, **more)

    def hold(self, **more: Any) -> httpx2.Response:
        """Ask for a hold."""
        return self.post("/v1/holds", more)

    def rows(self, key: str | None = None) -> list[dict[str, Any]]:
        """Holds in force."""
        found: list[dict[str, Any]] = self.world.get("/v1/holds?tenant=acme", key or self.world.key(Role.READ)).json()[
            "rows"
        ]
        return found
