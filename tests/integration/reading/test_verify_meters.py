"""`verify` proves meters too: of every scope and window, beside holds, and names what does not hold."""

import itertools
from collections.abc import Callable

import pytest

from tests.contract.ledger_case import timed_id
from tests.world import World, event
from tollbook.domain.budget import Budget
from tollbook.domain.meter import ScopeKind, Unit, WindowKind
from tollbook.pipeline.equations import Equation, Outcome
from tollbook.pipeline.verify import render_equations
from tollbook.ports.config import BudgetChange
from tollbook.ports.holds import HoldCheck, HoldCode, HoldRequest

MONTH = Budget(id="m", scope=ScopeKind.AGENT, window=WindowKind.MONTH, unit=Unit.USD, limit=10**12)


@pytest.fixture
def metered(world: World) -> World:
    """Calls before and after budgets of every kind, one of them held; some still in the journal."""
    world.drain()
    world.follow_limits()
    world.book(event(run="r", agent="planner/fetch#1"), event("globex"))
    combined = itertools.product(ScopeKind, WindowKind, Unit)
    budgets = [
        Budget(
            id=f"{scope}:{window}:{unit}",
            scope=scope,
            window=window,
            unit=unit,
            limit=10**12,
            match="team=*" if scope is ScopeKind.TAG else "*",
        )
        for scope, window, unit in combined
    ]
    changes = [BudgetChange(None, b.id, b) for b in budgets if not b.is_daily]
    made = world.run(world.config.change_budgets(changes, "test", world.clock.now()))
    world.run(world.limits.enforce(made))
    world.run(world.directory.refresh())
    world.book(
        event(run="r", agent="planner/fetch#1", tags={"team": "blue"}, hold=timed_id(world.clock.now())),
        event(run="s", model="m-2"),
    )
    world.accept(event(run="r"))
    return world


def month(world: World) -> str:
    return f"usd|month:{world.clock.now():%Y-%m}|agent|planner"


def held(world: World) -> None:
    """Hold room for a call of acme's planner."""
    tenant, partition = "acme", world.directory.tenancy.partition_of("acme")
    copy = world.run(world.holds.budgets(partition, tenant))
    checks = [
        HoldCheck(month(world), 10**12, 5, 5, strict=False, until_ms=2**42),
        HoldCheck(f"day:{world.clock.now().date()}", 10**12, 5, 5, strict=False, until_ms=2**42),
    ]
    request = HoldRequest(
        tenant=tenant,
        hold_id=timed_id(world.clock.now()),
        caller_id=None,
        versions=copy.versions,
        checks=checks,
        ttl_ms=60_000,
        context=b"",
    )
    (answer,) = world.run(world.holds.hold(partition, [request]))
    assert answer.code is HoldCode.HELD, answer


def verified(world: World) -> dict[str, Equation]:
    return {equation.name: equation for equation in world.run(world.verify().run(world.drains))}


def test_meters_of_every_kind_hold(metered: World) -> None:
    """In Postgres and beside the counters, with room held and calls on their way."""
    held(metered)
    found = verified(metered)
    assert {equation.outcome for equation in found.values()} == {Outcome.HOLDS}, render_equations(list(found.values()))
    assert found["meter_total"].left > 0
    assert found["meter_settled"].left > 0
    assert found["meter_pending"].left > 0
    assert found["held"].left == 10


def test_they_hold_after_counters_were_lost(metered: World) -> None:
    """A rebuild restores open windows, and runs when they are asked for."""
    metered.drain()
    metered.run(metered.store.flushall())
    metered.drain()
    metered.follow_limits()
    found = verified(metered)
    assert {equation.outcome for equation in found.values()} == {Outcome.HOLDS}, render_equations(list(found.values()))


def _tenant_key(world: World) -> str:
    return world.keys.tenant(world.directory.tenancy.partition_of("acme"), "acme")


def _add_total(world: World) -> None:
    world.execute("UPDATE meter_total SET total = total + 1 WHERE meter = $1 AND tenant = 'acme'", month(world))


def _lose_total(world: World) -> None:
    world.execute("DELETE FROM meter_total WHERE meter = 'calls|run:r|run|r'")


def _set_settled(world: World) -> None:
    world.run(world.store.hset(_tenant_key(world), f"{month(world)}:s", "7"))


def _set_pending(world: World) -> None:
    world.run(world.store.hset(_tenant_key(world), f"{month(world)}:p", "7"))


def _set_held(world: World) -> None:
    world.run(world.store.hset(_tenant_key(world), f"{month(world)}:h", "7"))


CORRUPTIONS: dict[str, tuple[Callable[[World], None], set[str]]] = {
    "total": (_add_total, {"meter_total", "meter_settled"}),
    "total lost": (_lose_total, {"meter_total", "meter_settled"}),
    "settled": (_set_settled, {"meter_settled"}),
    "pending": (_set_pending, {"meter_pending"}),
    "held": (_set_held, {"held"}),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_what_does_not_hold_is_found_by_name(metered: World, name: str) -> None:
    corrupt, expected = CORRUPTIONS[name]
    corrupt(metered)
    assert {name for name, found in verified(metered).items() if found.outcome is Outcome.DIFFERS} == expected
