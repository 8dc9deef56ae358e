"""Budgets of every scope and window ring like the daily one, on the totals of their meters."""

from datetime import timedelta

import pytest

from tests.integration.alerts.alerting_world import Alerting
from tests.world import World, event
from tollbook.domain.budget import Action, Budget
from tollbook.domain.meter import ScopeKind, Unit, WindowKind
from tollbook.ports.config import BudgetChange

TOKENS = 150
"""Tokens of one call."""


def put(world: World, **terms: object) -> Budget:
    """Set a budget; 10 calls of one agent a month unless told otherwise."""
    fields = {"id": "b", "tenant": "acme", "scope": ScopeKind.AGENT, "match": "planner", "unit": Unit.CALLS}
    budget = Budget(**(fields | {"window": WindowKind.MONTH, "limit": 10} | terms))
    change(world, BudgetChange(budget.tenant, budget.id, budget))
    return budget


def change(world: World, made: BudgetChange) -> None:
    """Change a budget, and know of it."""
    world.run(world.config.change_budgets([made], "test", world.clock.now()))
    world.run(world.directory.refresh())


SCOPES = {
    "agent and its subtree": ({}, {}, "planner"),
    "each agent": ({"match": "*"}, {"agent": "solo"}, "solo"),
    "run": ({"scope": ScopeKind.RUN, "match": "r|1", "window": WindowKind.RUN}, {"run": "r|1"}, "r|1"),
    "each run": ({"scope": ScopeKind.RUN, "match": "*", "window": WindowKind.RUN}, {"run": "r7"}, "r7"),
    "instance": (
        {"scope": ScopeKind.INSTANCE, "match": "r/a#1", "window": WindowKind.RUN},
        {"run": "r", "agent": "a#1/b"},
        "r/a#1",
    ),
    "model": ({"scope": ScopeKind.MODEL, "match": "m-1", "window": WindowKind.WEEK}, {}, "m-1"),
    "tag": ({"scope": ScopeKind.TAG, "match": "team=x", "window": WindowKind.DAY}, {"tags": {"team": "x"}}, "team=x"),
    "each tag": (
        {"scope": ScopeKind.TAG, "match": "team=*", "window": WindowKind.DAY},
        {"tags": {"team": "y"}},
        "team=y",
    ),
    "everyone's": ({"tenant": None, "scope": ScopeKind.TENANT, "match": "*"}, {}, ""),
    "tokens": ({"unit": Unit.TOKENS, "limit": 10 * TOKENS}, {}, "planner"),
    "dollars": ({"unit": Unit.USD, "limit": 1_500_000}, {}, "planner"),
}


@pytest.mark.parametrize(("terms", "call", "value"), SCOPES.values(), ids=SCOPES)
def test_a_budget_of_any_scope_rings_once(
    world: World, alerting: Alerting, terms: dict[str, object], call: dict[str, object], value: str
) -> None:
    """Limit 10 calls: 4 ring nothing, 5 ring 50 %, 8 ring 80 %, and calls elsewhere ring nothing of it."""
    put(world, **terms)

    def rang() -> list[object]:
        facts = [raised.alert.facts for raised in alerting.raise_all()]
        return [fact["threshold"] for fact in facts if fact["value"] == value and fact["budget"]["id"] == "b"]

    world.book(*(event(**call) for _ in range(4)), event("other"))
    assert rang() == []
    world.book(event(**call))
    assert rang() == [50]
    world.book(*(event(**call) for _ in range(3)))
    assert rang() == [80]


def test_a_budget_set_over_what_was_spent_rings_at_once(world: World, alerting: Alerting) -> None:
    """Its meters are counted from the entries, and its throttle holds from the start."""
    world.book(*(event() for _ in range(6)))
    alerting.raise_all()
    put(world, limit=6, action=Action.BLOCK)
    assert alerting.kinds() == ["budget.threshold 100", "budget.threshold 50", "budget.threshold 80", "throttle.set"]
    put(world, limit=6, action=Action.NOTIFY)
    assert alerting.kinds() == ["throttle.cleared budget_changed"]


def test_a_budget_that_only_tells_throttles_nobody(world: World, alerting: Alerting) -> None:
    put(world, limit=2, action=Action.NOTIFY)
    world.book(event(), event())
    assert "throttle.set" not in alerting.kinds()


def test_own_thresholds_are_kept(world: World, alerting: Alerting) -> None:
    put(world, thresholds=(25, 90))
    world.book(*(event() for _ in range(9)))
    assert alerting.kinds() == ["budget.threshold 25", "budget.threshold 90"]


def test_a_removed_budget_clears(world: World, alerting: Alerting) -> None:
    put(world, limit=1)
    world.book(event())
    assert "throttle.set" in alerting.kinds()
    change(world, BudgetChange("acme", "b", None))
    assert alerting.kinds() == ["throttle.cleared budget_removed"]


def test_a_share_that_ends_clears_by_itself(world: World, alerting: Alerting) -> None:
    put(world, limit=1, expires_at=world.clock.now() + timedelta(hours=1))
    world.book(event())
    assert "throttle.set" in alerting.kinds()
    alerting.pass_time(hours=2)
    assert "throttle.cleared budget_removed" in alerting.kinds()


def test_the_own_budget_of_a_meter_holds_before_everyones(world: World, alerting: Alerting) -> None:
    put(world, tenant=None, id="all", limit=2, match="*")
    put(world, limit=100)
    world.book(*(event(agent="planner") for _ in range(2)), *(event("other", agent="planner") for _ in range(2)))
    alerting.raise_all()
    assert {row.tenant for row in alerting.rows()} == {"other"}


def test_a_minute_is_over_when_it_is_over(world: World, alerting: Alerting) -> None:
    put(world, window=WindowKind.MINUTE, limit=1)
    world.book(event())
    assert "throttle.set" in alerting.kinds()
    alerting.pass_time(minutes=2)
    assert alerting.kinds() == ["throttle.cleared window_ended"]
    assert "budget.burn_rate" not in {row.kind for row in alerting.rows()}


def test_pruned_changes_of_meters_are_found_among_the_open_ones(world: World, alerting: Alerting) -> None:
    put(world, limit=2, action=Action.NOTIFY)
    alerting.raise_all()
    world.book(event())
    world.book(event("other"))
    world.execute("DELETE FROM ledger_batch")
    assert alerting.kinds() == ["budget.threshold 50"]
