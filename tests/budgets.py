"""Budgets of a world, set as the API sets them."""

from typing import Any

import msgspec

from tests.world import World
from tollbook.domain.budget import DEFAULT_DAILY, Budget
from tollbook.domain.meter import ScopeKind, Unit, WindowKind
from tollbook.ports.config import BudgetChange

USD = 1_000_000_000


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
