"""A hold ends with the event that names it, whichever door it comes through."""

from typing import Any

import httpx2
import pytest

from tests.budgets import COST, USD, Asking, budget
from tests.world import World
from tollbook.domain.access import Principal, Role
from tollbook.domain.meter import ScopeKind, Unit, WindowKind
from tollbook.pipeline.directory import drawn_key
from tollbook.pricing.book import compile_book
from tollbook.pricing.own import read_overrides


@pytest.fixture
def asking(world: World) -> Asking:
    return Asking(world)


def settle(asking: Asking, made: dict[str, Any], key: str | None = None, **event: Any) -> httpx2.Response:
    """Report the call of a hold, with nothing but what it used."""
    body = {"input": 100, "output": 20, **event}
    return asking.world.ask("POST", f"/v1/holds/{made['id']}/settle?tenant=acme", key or asking.key, json=body)


def entry(world: World) -> dict[str, Any]:
    """The only entry, once all is drained."""
    world.drain()
    (row,) = world.get("/v1/entries", world.key(Role.READ)).json()["rows"]
    return dict(row)


def test_an_event_says_no_more_than_what_was_used(asking: Asking) -> None:
    made = asking.hold(run="r1", tags={"team": "a"}, provider="openai").json()["hold"]
    answer = settle(asking, made)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "rejected": []})
    assert asking.rows() == []
    booked = entry(asking.world)
    assert (booked["agent"], booked["model"], booked["run"]) == ("planner/researcher", "m-1", "r1")
    assert (booked["provider"], booked["tags"]) == ("openai", {"team": "a"})
    assert booked["cost_usd"] == "0.000120000"


CONTEXTS = """
[[model]]
provider = "acme"
model = "m"
usd = { input_tokens = 1, output_tokens = 2 }

[[model]]
provider = "acme"
model = "m"
when = { speed = "fast" }
usd = { input_tokens = 5, output_tokens = 10 }
"""


def test_a_hold_is_of_the_price_that_the_call_will_have(asking: Asking) -> None:
    """A call that asks for speed or a place costs more: its hold says so, and so does its event."""
    services = asking.world.services
    book = compile_book([], own=read_overrides(CONTEXTS))
    services.gate.price_by(book)
    services.resolver.price_by(book)
    call = {"model": "m", "provider": "acme", "input_tokens": 100, "max_output_tokens": 20}
    assert asking.hold(**call).json()["hold"]["amount_usd"] == "0.000140000"
    made = asking.hold(**call, context={"speed": "fast"}).json()["hold"]
    assert made["amount_usd"] == "0.000700000"
    assert settle(asking, made).status_code == 202
    booked = entry(asking.world)
    assert (booked["cost_usd"], booked["context"]) == ("0.000700000", {"speed": "fast"})
    assert asking.hold(**call, context={"speed": "\x00"}).json()["code"] == "field_invalid"
    assert asking.hold(**call, context={"Speed": "fast"}).status_code == 400


def test_what_the_call_did_not_use_is_free_again(asking: Asking) -> None:
    asking.budgets(budget(2 * COST))
    made = asking.hold(max_output_tokens=200).json()["hold"]
    assert asking.hold().status_code == 429
    settle(asking, made)
    told = asking.hold().json()
    assert (told["decision"], told["budget"]["spent"]) == ("allow", "0.000120000")


def test_a_second_settle_counts_once(asking: Asking) -> None:
    made = asking.hold().json()["hold"]
    assert settle(asking, made).status_code == 202
    assert settle(asking, made).status_code == 202
    assert entry(asking.world)["cost_usd"] == "0.000120000"
    state = asking.world.ask("DELETE", f"/v1/holds/{made['id']}?tenant=acme", asking.key)
    assert state.json()["state"] == "settled"


def test_an_event_of_the_usual_door_settles_as_well(asking: Asking) -> None:
    made = asking.hold().json()["hold"]
    event = {"tenant": "acme", "agent": "planner", "model": "m-1", "input": 100, "output": 20, "hold": made["id"]}
    assert asking.world.ask("POST", "/v1/events", asking.key, json=event).status_code == 202
    assert asking.rows() == []


def test_parts_of_a_lease_are_used_once_each(asking: Asking) -> None:
    lease = asking.post("/v1/leases", {"amount_usd": "0.001", "calls": 6}).json()["lease"]
    assert settle(asking, {"id": f"{lease['id']}.1"}).status_code == 202
    assert asking.rows()[0]["amount_usd"] == "0.000880000"
    assert settle(asking, {"id": f"{lease['id']}.1"}, id="the same part").status_code == 202
    assert asking.rows()[0]["amount_usd"] == "0.000880000"
    assert settle(asking, {"id": f"{lease['id']}.2"}).status_code == 202
    assert asking.rows()[0]["amount_usd"] == "0.000760000"


def test_an_event_that_names_another_hold_is_refused(asking: Asking) -> None:
    first, second = asking.hold().json()["hold"], asking.hold().json()["hold"]
    answer = settle(asking, first, hold=second["id"])
    assert (answer.status_code, answer.json()["code"]) == (400, "field_invalid")


def test_another_tenants_key_settles_nothing(asking: Asking) -> None:
    made = asking.hold().json()["hold"]
    other = asking.world.key(Role.INGEST, "globex")
    answer = asking.world.ask("POST", f"/v1/holds/{made['id']}/settle", other, json={"input": 1, "output": 1})
    assert answer.status_code == 422
    answer = settle(asking, made, key=other, tenant="acme")
    assert (answer.status_code, answer.json()["code"]) == (403, "tenant_forbidden")
    assert len(asking.rows()) == 1


def test_settling_takes_one_object(asking: Asking) -> None:
    made = asking.hold().json()["hold"]
    path = f"/v1/holds/{made['id']}/settle"
    assert asking.world.ask("POST", path, asking.key, json=[]).json()["code"] == "item_not_object"
    assert asking.world.ask("POST", path, asking.key, content=b"{").json()["code"] == "json_invalid"
    assert asking.world.ask("GET", path, asking.key).status_code in (404, 405)


def test_tokens_and_calls_settle_too(asking: Asking) -> None:
    per_minute = budget(500, "tpm", unit=Unit.TOKENS, window=WindowKind.MONTH, scope=ScopeKind.MODEL, match="m-1")
    asking.budgets(budget(50 * USD), per_minute, budget(3, "calls", unit=Unit.CALLS, window=WindowKind.WEEK))
    made = asking.hold().json()["hold"]
    assert {name.partition("|")[0] for name in asking.rows()[0]["meters"]} >= {"tokens", "calls"}
    settle(asking, made)
    told = asking.hold().json()["budget"]
    assert (told["id"], told["spent"], told["held"], told["limit"]) == ("calls", "1", "1", "3")


@pytest.fixture
def narrow(asking: Asking) -> str:
    """The key of a sub-agent of one run."""
    world = asking.world
    stored, text = drawn_key(Principal("", Role.INGEST, "acme", "planner/researcher", "r1"))
    world.run(world.config.add_key(stored, "a child", "test"))
    world.run(world.directory.refresh())
    return text


def test_a_sub_agents_key_holds_for_its_subtree_and_its_run_alone(asking: Asking, narrow: str) -> None:
    child = asking.post("/v1/holds", {"agent": "planner/researcher/fetcher#2"}, key=narrow)
    assert child.status_code == 200
    assert asking.rows()[0]["run"] == "r1"
    for body in ({"agent": "planner"}, {"run": "r2"}):
        for path in ("/v1/holds", "/v1/check", "/v1/leases"):
            answer = asking.post(path, body, key=narrow)
            assert (answer.status_code, answer.json()["code"]) == (403, "agent_forbidden")


def test_a_sub_agents_key_ends_no_hold_of_others(asking: Asking, narrow: str) -> None:
    others = asking.hold(run="r2").json()["hold"]
    for method, body in (("DELETE", None), ("PATCH", {"ttl_ms": 1_000})):
        assert asking.world.ask(method, f"/v1/holds/{others['id']}", narrow, json=body).status_code == 404
    assert settle(asking, others, key=narrow).status_code == 403
    assert len(asking.rows()) == 1


def test_an_event_of_a_released_hold_is_booked_all_the_same(asking: Asking) -> None:
    made = asking.hold().json()["hold"]
    asking.world.ask("DELETE", f"/v1/holds/{made['id']}?tenant=acme", asking.key)
    assert settle(asking, made).status_code == 202
    assert entry(asking.world)["cost_usd"] == "0.000120000"
