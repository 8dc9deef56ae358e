"""The gate holds by the prices in force, with the tenant's discount."""

from typing import Any

from tests.budgets import Asking, budget
from tests.world import Shelf, World
from tollbook.enforcement.asks import Ask


def test_a_hold_is_of_what_the_tenant_would_pay(world: World) -> None:
    """`acme` has a tenth off in the book that comes into force; 1,000 tokens of each kind cost $1 a million else."""
    asking = Asking(world)
    asking.budgets(budget(10**9))

    def held(tenant: str) -> Any:
        ask = Ask(tenant=tenant, agent="a", model="m-1", input_tokens=1_000, max_output_tokens=1_000)
        decision = world.run(world.gate.hold(ask))
        assert decision.hold is not None
        return decision.hold.amount_nanos

    before = held("acme")
    world.gate.price_by(Shelf().book)
    assert before == 2_000_000
    assert held("acme") == 1_800_000
    assert held("globex") == 2_000_000
