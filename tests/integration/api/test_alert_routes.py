"""Hooks and alerts over HTTP: who may make, see and try which."""

import pytest

from tests.world import World, event
from tollbook.alerting.raising import Raiser, RaiserSettings
from tollbook.domain.access import Role

URL = "https://hooks.example/a"


def make(world: World, key: str, **body: object) -> dict[str, object]:
    """A new hook."""
    answer = world.ask("POST", "/v1/alert-hooks", key, json={"url": URL} | body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def raise_all(world: World) -> None:
    """Raise what there is to raise."""
    for partition in range(world.directory.tenancy.partitions):
        parts = (world.alerts, world.clock, world.telemetry, lambda: world.directory.tenancy)
        world.run(Raiser(partition, *parts, settings=RaiserSettings()).step())


def test_a_hook_is_made_shown_tried_and_removed(world: World) -> None:
    key = world.key()
    made = make(world, key, kinds=["throttle.set", "budget.threshold"])
    assert str(made["secret"]).startswith("whsec_")
    assert made["kinds"] == ["budget.threshold", "throttle.set"]
    (shown,) = world.get("/v1/alert-hooks", key).json()["rows"]
    assert shown == {name: value for name, value in made.items() if name != "secret"} | {
        "created_by": shown["created_by"],
        "disabled": None,
    }
    path = f"/v1/alert-hooks/{made['hook_id']}"
    tried = world.ask("POST", f"{path}/test", key)
    assert tried.status_code == 202
    (alert,) = world.get("/v1/alerts", key).json()["rows"]
    assert (alert["alert_id"], alert["type"], alert["tenant"]) == (tried.json()["alert_id"], "alert.test", None)
    assert alert["deliveries"][0]["state"] == "pending"
    assert world.ask("DELETE", path, key).status_code == 204
    for method, gone in (("DELETE", path), ("POST", f"{path}/test")):
        answer = world.ask(method, gone, key)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_bound_key_hears_and_sees_its_tenant_only(world: World) -> None:
    whole, bound = world.key(), world.key(tenant="acme")
    elsewhere = make(world, whole)
    assert make(world, bound)["tenant"] == "acme"
    assert [row["tenant"] for row in world.get("/v1/alert-hooks", bound).json()["rows"]] == ["acme"]
    assert world.ask("POST", "/v1/alert-hooks", bound, json={"url": URL, "tenant": "other"}).status_code == 403
    assert world.ask("DELETE", f"/v1/alert-hooks/{elsewhere['hook_id']}", bound).status_code == 404
    assert world.ask("POST", f"/v1/alert-hooks/{elsewhere['hook_id']}/test", bound).status_code == 404
    world.book(event(model="new-1"), event("other", model="new-1"))
    raise_all(world)
    reader = world.key(Role.READ, tenant="acme")
    assert {row["tenant"] for row in world.get("/v1/alerts", reader).json()["rows"]} == {"acme"}
    assert world.get("/v1/alerts?tenant=other", reader).status_code == 403
    assert world.get("/v1/alert-hooks", reader).status_code == 403


def test_alerts_are_paged_by_a_cursor(world: World) -> None:
    key, seen, cursor = world.key(), [], ""
    world.book(*(event(model=f"new-{number}") for number in range(5)))
    raise_all(world)
    while True:
        page = world.get(f"/v1/alerts?tenant=acme&limit=2{cursor}", key).json()
        seen += [row["data"]["model"] for row in page["rows"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == ["new-4", "new-3", "new-2", "new-1", "new-0"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "ftp://hooks.example"}, "field_invalid"),
        ({"url": "https://user:secret@hooks.example"}, "field_invalid"),
        ({"url": URL, "kinds": ["budget.melted"]}, "request_invalid"),
        ({"url": URL, "colour": "red"}, "request_invalid"),
        ({"url": URL, "tenant": "a:b"}, "field_invalid"),
        ({}, "request_invalid"),
    ],
)
def test_a_hook_that_cannot_be_is_refused(world: World, body: dict[str, object], code: str) -> None:
    answer = world.ask("POST", "/v1/alert-hooks", world.key(), json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
