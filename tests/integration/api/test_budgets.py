"""Budgets over HTTP: set, shown, listed, with their history; in force beside the counters before the answer."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.world import World, event
from tollbook.domain.access import Role
from tollbook.ports.holds import BudgetsCopy

MONTH: dict[str, Any] = {"scope": "agent", "match": "planner", "window": "month", "limit_usd": "400"}


def put(world: World, key: str, name: str, body: dict[str, Any], tenant: str | None = None) -> httpx.Response:
    query = "" if tenant is None else f"?tenant={tenant}"
    return world.ask("PUT", f"/v1/budgets/{name}{query}", key, json=body)


def copy(world: World, tenant: str) -> BudgetsCopy:
    """The budgets beside the counters."""
    return world.run(world.holds.budgets(world.directory.tenancy.partition_of(tenant), tenant))


def test_a_budget_is_answered_as_it_was_set_and_listed(world: World) -> None:
    key = world.key()
    made = put(world, key, "planner%2Fmonth", MONTH | {"action": "block", "thresholds": [90, 50, 90]}, "acme")
    assert made.status_code == 200
    assert made.json() == world.get("/v1/budgets/planner%2Fmonth?tenant=acme", key).json()
    shown = made.json()
    assert (shown["id"], shown["tenant"], shown["limit_usd"], shown["limit_calls"], shown["thresholds"]) == (
        "planner/month",
        "acme",
        "400.000000000",
        None,
        [50, 90],
    )
    put(world, key, "calls", {"window": "minute", "limit_calls": 9})
    page = world.get("/v1/budgets?limit=2", key).json()
    assert [(row["tenant"], row["id"]) for row in page["rows"]] == [(None, "calls"), (None, "daily")]
    rest = world.get(f"/v1/budgets?limit=2&cursor={page['next']}", key).json()
    assert ([row["id"] for row in rest["rows"]], rest["next"]) == (["planner/month"], None)


def test_a_budget_is_beside_the_counters_before_the_answer_with_what_was_spent(world: World) -> None:
    """What was booked before the budget came is settled in its meter, and the copy is to be trusted at that version."""
    key = world.key()
    world.drain()
    world.book(event(agent="planner/researcher"))
    world.follow_limits()
    put(world, key, "m", MONTH, "acme")
    found = copy(world, "acme")
    assert [budget.id for budget in found.own] == ["m"]
    month = f"usd|month:{world.clock.now():%Y-%m}|agent|planner"
    partition = world.directory.tenancy.partition_of("acme")
    audit = world.run(world.journal.audit(partition, (), 10, [("acme", month)]))
    assert [meter.settled for meter in audit.meters] == [150_000]
    assert audit.fence == world.run(world.config.backfills())[partition]
    world.run(world.directory.refresh())
    world.services.resolver.under(world.directory.tenancy, world.directory.budgets)
    world.ask("POST", "/v1/budgets", key)
    world.ask("DELETE", "/v1/budgets/m?tenant=acme", key)
    assert copy(world, "acme").own == []


def test_a_follower_pushes_what_another_process_changed(world: World) -> None:
    key = world.key()
    put(world, key, "m", MONTH, "acme")
    world.run(world.store.flushall())
    assert copy(world, "acme").own == []
    world.follow_limits()
    assert [budget.id for budget in copy(world, "acme").own] == ["m"]
    assert [budget.id for budget in copy(world, "globex").everyone] == ["daily"]
    world.clock.ahead = timedelta(days=40)
    put(world, key, "share", MONTH | {"window": "day", "expires_at": "2000-01-01T00:00:00Z"}, "acme")
    world.follow_limits()
    assert [budget.id for budget in copy(world, "acme").own] == ["m"]


def test_every_change_is_kept_whole(world: World) -> None:
    key = world.key()
    put(world, key, "m", MONTH, "acme")
    put(world, key, "m", MONTH | {"limit_usd": 5}, "acme")
    assert world.ask("DELETE", "/v1/budgets/m?tenant=acme", key).status_code == 204
    rows = world.get("/v1/budgets/m/changes?tenant=acme", key).json()["rows"]
    assert [None if row["budget"] is None else row["budget"]["limit_usd"] for row in rows] == [
        None,
        "5.000000000",
        "400.000000000",
    ]
    assert {row["changed_by"] for row in rows} == {f"key {key.split('_')[1]}"}
    assert world.get("/v1/budgets/m?tenant=acme", key).status_code == 404
    assert world.get("/v1/budgets/never/changes", key).status_code == 404


def test_a_bound_key_sees_and_changes_its_tenants_own(world: World) -> None:
    key, bound = world.key(), world.key(tenant="acme")
    put(world, key, "theirs", MONTH, "globex")
    assert put(world, bound, "m", MONTH).json()["tenant"] == "acme"
    assert put(world, bound, "theirs", MONTH, "globex").status_code == 403
    assert world.get("/v1/budgets/theirs?tenant=globex", bound).status_code == 403
    assert world.get("/v1/budgets?tenant=globex", bound).status_code == 403
    assert [row["id"] for row in world.get("/v1/budgets", bound).json()["rows"]] == ["daily", "m"]
    assert put(world, world.key(Role.READ, "acme"), "m", MONTH).status_code == 403


def test_the_daily_limit_is_the_budget_daily(world: World) -> None:
    key = world.key()
    daily = {"window": "day", "limit_usd": "7", "action": "notify"}
    assert put(world, key, "daily", daily, "acme").status_code == 200
    assert world.get("/v1/tenants/acme/budget", key).json()["limit_usd"] == "7.000000000"
    world.ask("PUT", "/v1/tenants/acme/budget", key, json={"limit_usd": "8"})
    shown = world.get("/v1/budgets/daily?tenant=acme", key).json()
    assert (shown["limit_usd"], shown["action"]) == ("8.000000000", "notify")
    assert world.ask("DELETE", "/v1/budgets/daily", key).json()["code"] == "budget_kept"
    assert world.ask("DELETE", "/v1/budgets/daily?tenant=acme", key).status_code == 204
    assert world.get("/v1/tenants/acme/budget", key).json()["default"] is True


def test_a_limit_that_only_tells_raises_no_flag(world: World) -> None:
    """The flag follows the action, set and changed."""
    key = world.key()
    world.drain()
    world.book(event())
    put(world, key, "daily", {"window": "day", "limit_usd": "0.0001", "action": "notify"}, "acme")
    assert world.get("/v1/tenants/acme/status", key).json()["throttled"] is False
    put(world, key, "daily", {"window": "day", "limit_usd": "0.0001"}, "acme")
    assert world.get("/v1/tenants/acme/status", key).json()["throttled"] is True


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("m", {"limit_usd": None}),
        ("m", {"limit_calls": 4}),
        ("m", {"limit_usd": "many"}),
        ("m", {"limit_usd": "-1"}),
        ("m", {"limit_usd": 10**10}),
        ("m", {"match": "planner#7"}),
        ("m", {"match": "a//b"}),
        ("m", {"scope": "tenant"}),
        ("m", {"scope": "tag", "match": "team"}),
        ("m", {"scope": "tag", "match": "*"}),
        ("m", {"scope": "instance", "match": "run"}),
        ("m", {"action": "degrade"}),
        ("m", {"degrade_to": "small"}),
        ("m", {"thresholds": [0]}),
        ("m", {"expires_at": "2026-12-01T00:00:00"}),
        ("daily", {}),
        ("other", {"scope": "tenant", "match": "*", "window": "day"}),
        ("key:x", {}),
        ("a b", {}),
    ],
    ids=str,
)
def test_a_budget_that_breaks_a_rule_is_refused(world: World, name: str, changed: dict[str, Any]) -> None:
    answer = put(world, world.key(), name, MONTH | changed, "acme")
    assert (answer.status_code, answer.json()["code"]) == (400, "field_invalid")
    assert world.get("/v1/budgets?tenant=acme", world.key()).json()["rows"][-1]["id"] == "daily"


def test_a_second_budget_of_the_same_meter_is_refused(world: World) -> None:
    key = world.key()
    put(world, key, "m", MONTH, "acme")
    answer = put(world, key, "n", MONTH, "acme")
    assert (answer.status_code, answer.json()["code"]) == (409, "budget_clash")
