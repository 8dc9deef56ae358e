"""The gate over HTTP: each route, each decision with its status, its headers and its facts."""

from typing import Any
from uuid import UUID

import httpx2
import pytest

from tests.budgets import CALL, COST, USD, Asking, budget
from tests.world import NANOS_PER_TOKEN, World
from tollbook.domain.access import Role
from tollbook.domain.budget import Action, Fail, Mode
from tollbook.domain.identity import id_time_ms
from tollbook.domain.meter import Unit, WindowKind


@pytest.fixture
def asking(world: World) -> Asking:
    return Asking(world)


def test_a_hold_is_made_and_shown(asking: Asking) -> None:
    answer = asking.hold(run="r1", tags={"team": "a"})
    assert answer.status_code == 200
    told = answer.json()
    assert told.keys() == {
        "decision", "hold", "granted_max_output_tokens", "model", "budget", "retry_ms", "fail", "detail",
    }  # fmt: skip
    assert (told["decision"], told["granted_max_output_tokens"], told["model"]) == ("allow", None, None)
    assert told["hold"]["amount_usd"] == "0.000150000"
    assert UUID(told["hold"]["id"]).version == 7
    budget = told["budget"]
    assert (budget["id"], budget["tenant"], budget["scope"], budget["match"]) == ("daily", "acme", "tenant", "")
    assert (budget["limit"], budget["spent"], budget["held"]) == ("50.000000000", "0.000000000", "0.000150000")
    (row,) = asking.rows()
    assert (row["id"], row["kind"], row["run"], row["amount_usd"]) == (told["hold"]["id"], "hold", "r1", "0.000150000")
    assert row["expires_at"] == told["hold"]["expires_at"]


def test_the_tightest_budget_is_in_the_headers(asking: Asking) -> None:
    asking.budgets(budget(50 * USD), budget(7, "calls", unit=Unit.CALLS, window=WindowKind.MINUTE))
    answer = asking.hold()
    assert answer.headers["ratelimit-policy"] == '"calls";q=7;w=60;qu="requests"'
    name, left, reset = answer.headers["ratelimit"].split(";")
    assert (name, left) == ('"calls"', "r=6")
    assert 1 <= int(reset.removeprefix("t=")) <= 61


def test_dollars_are_counted_in_millionths_in_headers(asking: Asking) -> None:
    answer = asking.hold()
    assert answer.headers["ratelimit-policy"] == '"daily";q=50000000;w=86400;tollbook-unit="usd-micros"'
    assert answer.headers["ratelimit"].startswith('"daily";r=49999850;t=')


def test_a_check_reserves_nothing(asking: Asking) -> None:
    answer = asking.post("/v1/check")
    assert (answer.status_code, answer.json()["decision"], answer.json()["hold"]) == (200, "allow", None)
    assert asking.rows() == []


def refused(answer: httpx2.Response, status: int, code: str, decision: str) -> dict[str, Any]:
    """A refusal is a problem document with the members of a decision."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    told: dict[str, Any] = answer.json()
    assert (told["code"], told["decision"], told["status"]) == (code, decision, status)
    assert told["type"].endswith(code)
    assert told["title"]
    assert told["detail"]
    return told


def test_spent_is_402_and_says_not_to_retry(asking: Asking) -> None:
    asking.budgets(budget(COST - 1))
    answer = asking.hold()
    told = refused(answer, 402, "budget_spent", "spent")
    assert told["violated-policies"] == ["daily"]
    assert told["budget"]["reset_at"]
    assert answer.headers["x-should-retry"] == "false"
    assert "retry-after" not in answer.headers
    assert answer.headers["ratelimit-policy"].startswith('"daily";')
    assert refused(asking.post("/v1/check"), 402, "budget_spent", "spent")


def test_busy_is_told_apart_from_spent_with_when_to_retry(asking: Asking) -> None:
    """Worst-case estimates in flight fill a budget of which nothing is spent."""
    asking.budgets(budget(2 * COST))
    first, second = asking.hold(), asking.hold()
    assert (first.status_code, second.status_code) == (200, 200)
    answer = asking.hold()
    told = refused(answer, 429, "budget_busy", "busy")
    assert 50 <= told["retry_ms"] <= 1_000
    assert (answer.headers["retry-after"], answer.headers["x-should-retry"]) == ("1", "true")
    asking.world.ask("DELETE", f"/v1/holds/{first.json()['hold']['id']}?tenant=acme", asking.key)
    assert asking.hold().status_code == 200


def test_a_smaller_answer_that_fits_is_offered(asking: Asking) -> None:
    asking.budgets(budget(130 * NANOS_PER_TOKEN + 999))
    told = asking.hold(min_output_tokens=10).json()
    assert (told["decision"], told["granted_max_output_tokens"]) == ("allow_degraded", 30)
    assert told["hold"]["amount_usd"] == "0.000130999"
    assert asking.hold(min_output_tokens=10).status_code == 429


def test_without_max_output_tokens_a_step_is_granted(asking: Asking) -> None:
    told = asking.hold(max_output_tokens=None).json()
    assert (told["decision"], told["granted_max_output_tokens"]) == ("allow", 1_024)
    assert told["hold"]["amount_usd"] == "0.001124000"


def test_over_its_limit_a_budget_degrades_to_its_cheaper_model(asking: Asking) -> None:
    asking.budgets(
        budget(50 * USD), budget(COST, "cheap", window=WindowKind.MONTH, action=Action.DEGRADE, degrade_to="m-1")
    )
    told = asking.hold(model="m-dear").json()
    assert (told["decision"], told["model"]) == ("allow_degraded", "m-1")
    assert told["hold"]["amount_usd"] == "0.000150000"
    again = asking.hold(model="m-1").json()
    assert (again["decision"], again["model"]) == ("allow", None)


def test_a_repeat_with_its_own_id_holds_nothing_twice(asking: Asking) -> None:
    asking.budgets(budget(130 * NANOS_PER_TOKEN))
    first = asking.hold(id="mine", min_output_tokens=1)
    again = asking.hold(id="mine", min_output_tokens=1)
    assert again.status_code == 200
    for member in ("decision", "hold", "granted_max_output_tokens", "model"):
        assert again.json()[member] == first.json()[member]
    assert len(asking.rows()) == 1


def test_a_hold_names_its_windows_by_its_id(asking: Asking) -> None:
    asking.hold()
    (row,) = asking.rows()
    made = id_time_ms(row["id"])
    assert made is not None
    day = asking.world.directory.tenancy.window_at("acme", asking.world.clock.now()).day
    assert row["meters"] == {f"day:{day.isoformat()}": "0.000150000"}


def test_a_changed_budget_is_in_force_with_the_next_call(asking: Asking) -> None:
    assert asking.hold().status_code == 200
    asking.budgets(budget(0))
    assert asking.hold().status_code == 402
    asking.budgets(budget(50 * USD))
    assert asking.hold().status_code == 200


def test_a_hold_is_extended_in_time_and_size(asking: Asking) -> None:
    made = asking.hold(max_output_tokens=None, ttl_ms=1_000).json()["hold"]
    path = f"/v1/holds/{made['id']}"
    longer = asking.world.ask("PATCH", path, asking.key, json={"tenant": "acme", "ttl_ms": 60_000})
    assert longer.status_code == 200
    assert longer.json()["hold"]["amount_usd"] == made["amount_usd"]
    assert longer.json()["hold"]["expires_at"] > made["expires_at"]
    larger = asking.world.ask("PATCH", path, asking.key, json={"tenant": "acme", "output_tokens": 2_048})
    assert larger.json()["hold"]["amount_usd"] == "0.002148000"
    asking.budgets(budget(2_148 * NANOS_PER_TOKEN))
    answer = asking.world.ask("PATCH", path, asking.key, json={"tenant": "acme", "output_tokens": 4_096})
    refused(answer, 402, "budget_spent", "spent")
    assert asking.rows()[0]["amount_usd"] == "0.002148000"


def test_a_hold_that_is_not_open_is_not_extended(asking: Asking) -> None:
    made = asking.hold().json()["hold"]
    path = f"/v1/holds/{made['id']}"
    released = asking.world.ask("DELETE", f"{path}?tenant=acme", asking.key)
    assert (released.status_code, released.json()) == (200, {"id": made["id"], "state": "released"})
    answer = asking.world.ask("PATCH", path, asking.key, json={"tenant": "acme", "ttl_ms": 1_000})
    assert (answer.status_code, answer.json()["code"], answer.json()["state"]) == (409, "hold_not_open", "released")
    again = asking.world.ask("DELETE", f"{path}?tenant=acme", asking.key)
    assert again.json()["state"] == "released"


def test_a_lease_is_an_eighth_of_the_room_at_most(asking: Asking) -> None:
    asking.budgets(budget(8_000 * NANOS_PER_TOKEN), budget(80, "calls", unit=Unit.CALLS))
    told = asking.post("/v1/leases", {"amount_usd": "1", "call_usd": "0.0001", "calls": 64}).json()
    lease = told["lease"]
    assert (told["decision"], lease["amount_usd"], lease["calls"], lease["tokens"]) == (
        "allow",
        "0.001000000",
        10,
        None,
    )
    assert lease["id"] == told["hold"]["id"]
    assert lease["rates"] == {"input_nanos_per_token": NANOS_PER_TOKEN, "output_nanos_per_token": NANOS_PER_TOKEN}
    kept = asking.world.ask("DELETE", f"/v1/holds/{lease['id']}?tenant=acme&keep_usd=0.0004", asking.key)
    assert kept.json()["state"] == "open"
    (row,) = asking.rows()
    assert (row["kind"], row["amount_usd"]) == ("lease", "0.000400000")


def test_another_tenants_hold_is_unknown(asking: Asking) -> None:
    made = asking.hold().json()["hold"]
    other = asking.world.key(Role.INGEST, "globex")
    for method, body in (("DELETE", None), ("PATCH", {"ttl_ms": 1_000})):
        answer = asking.world.ask(method, f"/v1/holds/{made['id']}", other, json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert len(asking.rows()) == 1


def test_a_tenant_in_the_body_never_overrides_the_keys(asking: Asking) -> None:
    bound = asking.world.key(Role.INGEST, "globex")
    for path in ("/v1/holds", "/v1/check", "/v1/leases"):
        assert asking.post(path, key=bound).status_code == 403
    own = asking.world.ask("POST", "/v1/check", bound, json={k: v for k, v in CALL.items() if k != "tenant"})
    assert own.status_code == 200


@pytest.mark.parametrize("role", [Role.READ])
def test_a_read_key_sees_holds_and_makes_none(asking: Asking, role: Role) -> None:
    key = asking.world.key(role)
    assert asking.post("/v1/holds", key=key).status_code == 403
    assert asking.rows(key) == []
    assert asking.world.get("/v1/holds?tenant=globex", asking.world.key(role, "acme")).status_code == 403


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"agent": "a//b"}, "field_invalid"),
        ({"tenant": "a:b"}, "field_invalid"),
        ({"model": "m\x00"}, "field_invalid"),
        ({"ttl_ms": 999}, "request_invalid"),
        ({"ttl_ms": 600_001}, "request_invalid"),
        ({"max_output_token": 5}, "request_invalid"),
        ({"amount_usd": "NaN"}, "field_invalid"),
        ({"amount_usd": "-1"}, "field_out_of_range"),
        ({"amount_usd": 0.5}, "request_invalid"),
        ({"mode": "lenient"}, "request_invalid"),
    ],
)
def test_a_body_that_says_nothing_is_refused(asking: Asking, body: dict[str, Any], code: str) -> None:
    answer = asking.hold(**body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_what_is_no_hold_is_refused(asking: Asking) -> None:
    world, key = asking.world, asking.key
    assert world.ask("POST", "/v1/holds", key, content=b"{").json()["code"] == "json_invalid"
    assert world.ask("PUT", "/v1/holds", key).status_code == 405
    assert world.ask("GET", "/v1/check", key).status_code == 405
    assert world.ask("DELETE", "/v1/holds/none?tenant=acme", key).status_code == 404
    assert world.ask("DELETE", "/v1/holds/none?tenat=acme", key).status_code == 404
    assert world.ask("POST", "/v1/holds", None, json=CALL).status_code == 401
    missing = {name: value for name, value in CALL.items() if name != "tenant"}
    assert world.ask("POST", "/v1/holds", key, json=missing).json()["code"] == "request_invalid"


def test_counters_incomplete_leave_strict_unsure_and_closed(asking: Asking) -> None:
    world = asking.world
    assert asking.hold().status_code == 200
    world.run(world.journal.forget(world.directory.tenancy.partition_of("acme")))
    answer = asking.hold()
    told = refused(answer, 503, "budget_unsure", "unsure")
    assert (told["fail"], answer.headers["x-should-retry"], answer.headers["retry-after"]) == ("closed", "true", "1")


@pytest.mark.parametrize(("fail", "status"), [(Fail.OPEN, 200), (Fail.CLOSED, 503)])
def test_each_budget_says_how_it_fails(asking: Asking, fail: Fail, status: int) -> None:
    world = asking.world
    asking.budgets(budget(50 * USD, fail=fail))
    assert asking.hold().status_code == 200
    world.run(world.journal.forget(world.directory.tenancy.partition_of("acme")))
    answer = asking.hold()
    assert (answer.status_code, answer.json()["decision"], answer.json()["fail"]) == (status, "unsure", fail.value)


def test_expected_budgets_are_answered_from_the_ledger_without_counters(asking: Asking) -> None:
    world = asking.world
    asking.budgets(budget(COST, mode=Mode.EXPECTED))
    assert asking.hold().status_code == 200
    world.run(world.journal.forget(world.directory.tenancy.partition_of("acme")))
    answer = asking.hold()
    assert (answer.status_code, answer.json()["decision"], answer.json()["hold"]) == (200, "allow", None)
