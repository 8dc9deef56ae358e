"""Keys below keys: never wider than their parent, with shares of their own, and gone with it."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.world import World
from tollbook.api.intake import IntakeApp
from tollbook.domain.access import Role

CHILD = {"role": "ingest", "agent": "planner/researcher"}


def made(world: World, key: str, **body: Any) -> dict[str, Any]:
    answer = world.ask("POST", "/v1/keys", key, json=CHILD | body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def refusal(world: World, key: str, **body: Any) -> tuple[int, str]:
    answer = world.ask("POST", "/v1/keys", key, json=CHILD | body)
    return answer.status_code, answer.json()["code"]


def send(world: World, key: str, **fields: Any) -> tuple[int, str | None]:
    """One event to the intake: the status and the code."""
    item = {"tenant": "acme", "agent": "planner/researcher", "model": "m", "input": 1, "output": 1}

    async def sent() -> httpx.Response:
        transport = httpx.ASGITransport(app=IntakeApp(world.services))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://tollbook.test") as client:
            headers = {"authorization": f"Bearer {key}"}
            return await client.post("/v1/events", json=item | fields, headers=headers)

    answer = world.run(sent())
    return answer.status_code, answer.json().get("code")


def test_a_child_reports_for_its_subtree_alone(world: World) -> None:
    """Below its path in any instance; everything else is refused, a neighbour of the same beginning too."""
    child = made(world, world.key(Role.INGEST, "acme"))["key"]
    assert send(world, child)[0] == 202
    assert send(world, child, agent="planner#1/researcher#7/fetch")[0] == 202
    for agent in ("planner", "planner/researchers", "other"):
        assert send(world, child, agent=agent) == (403, "agent_forbidden")
    of_run = made(world, world.key(Role.INGEST, "acme"), agent="planner#1", run="r1")["key"]
    assert send(world, of_run, agent="planner#1/x", run="r1")[0] == 202
    assert send(world, of_run, agent="planner#2", run="r1") == (403, "agent_forbidden")
    assert send(world, of_run, agent="planner#1", run="r2") == (403, "agent_forbidden")


def test_a_share_is_a_budget_that_comes_and_goes_with_its_key(world: World) -> None:
    admin, parent = world.key(), world.key(Role.INGEST, "acme")
    child = made(world, parent, share={"limit_usd": "2.50"}, calls_per_minute=30)
    share = world.get(f"/v1/budgets/key:{child['key_id']}?tenant=acme", admin).json()
    assert (share["scope"], share["match"], share["window"], share["limit_usd"], share["action"]) == (
        "agent",
        "planner/researcher",
        "day",
        "2.500000000",
        "block",
    )
    calls = world.get(f"/v1/budgets/key:{child['key_id']}:calls?tenant=acme", admin).json()
    assert (calls["window"], calls["limit_calls"]) == ("minute", 30)
    assert refusal(world, parent, share={"limit_usd": "9"}) == (409, "budget_clash")
    of_run = made(world, parent, agent="planner#1", run="r1", share={"limit_tokens": 9})
    share = world.get(f"/v1/budgets/key:{of_run['key_id']}?tenant=acme", admin).json()
    assert (share["scope"], share["match"], share["window"]) == ("instance", "r1/planner#1", "run")
    for name in (child["key_id"], of_run["key_id"]):
        assert world.ask("DELETE", f"/v1/keys/{name}", admin).status_code == 204
        assert world.get(f"/v1/budgets/key:{name}?tenant=acme", admin).status_code == 404


def test_revoking_a_key_revokes_what_stands_below_it(world: World) -> None:
    """The whole tree at once, and no neighbour; a parent may revoke below itself alone."""
    admin, parent = world.key(), world.key(Role.INGEST, "acme")
    child = made(world, parent)
    grandchild = made(world, child["key"], agent="planner/researcher/fetch", share={"limit_calls": 3})
    neighbour = made(world, parent, agent="writer")
    assert world.ask("DELETE", f"/v1/keys/{neighbour['key_id']}", child["key"]).status_code == 404
    assert world.ask("DELETE", f"/v1/keys/{parent.split('_')[1]}", parent).status_code == 404
    listed = {row["key_id"] for row in world.get("/v1/keys", parent).json()["rows"]}
    assert listed == {child["key_id"], grandchild["key_id"], neighbour["key_id"]}
    assert world.ask("DELETE", f"/v1/keys/{child['key_id']}", parent).status_code == 204
    assert send(world, child["key"])[0] == send(world, grandchild["key"])[0] == 401
    assert send(world, neighbour["key"], agent="writer")[0] == 202
    assert world.get(f"/v1/budgets/key:{grandchild['key_id']}?tenant=acme", admin).status_code == 404


def test_a_key_ends_when_it_was_to(world: World) -> None:
    """At its own end or its parent's, whichever comes first, and its share with it."""
    parent, hour = world.key(Role.INGEST, "acme"), timedelta(hours=1)
    soon = (world.clock.now() + hour).isoformat()
    child = made(world, parent, expires_at=soon, share={"limit_usd": 1})
    below = made(world, child["key"], agent="planner/researcher/a")
    assert below["expires_at"] == child["expires_at"]
    assert send(world, child["key"])[0] == 202
    world.clock.ahead = hour
    assert send(world, child["key"])[0] == send(world, below["key"], agent="planner/researcher/a")[0] == 401
    world.follow_limits()
    assert world.get(f"/v1/budgets/key:{child['key_id']}?tenant=acme", world.key()).status_code == 404


@pytest.mark.parametrize(
    "wish",
    [
        {"agent": "planner/researcher#"},
        {"agent": "writer"},
        {"agent": None, "share": {"limit_usd": "1"}},
        {"agent": "planner#1", "share": {"limit_usd": "1"}},
        {"share": {"limit_usd": "1", "limit_calls": 1}},
        {"expires_at": "2020-01-01T00:00:00Z"},
    ],
    ids=str,
)
def test_a_wider_or_impossible_child_is_refused(world: World, wish: dict[str, Any]) -> None:
    parent = world.key(Role.INGEST, "acme")
    if wish.get("agent") == "writer":
        parent = made(world, parent, agent="planner")["key"]
    assert refusal(world, parent, **wish) == (400, "field_invalid")


def test_a_child_is_of_its_parents_tenant(world: World) -> None:
    parent, other = world.key(Role.INGEST, "acme"), world.key(Role.INGEST, "globex")
    assert refusal(world, parent, tenant="globex") == (403, "forbidden")
    assert refusal(world, parent, parent=other.split("_")[1]) == (403, "forbidden")
    assert refusal(world, world.key(tenant="acme"), parent=other.split("_")[1]) == (404, "not_found")
    admin = world.key()
    assert refusal(world, admin) == (400, "field_invalid")
    assert made(world, admin, parent=parent.split("_")[1])["tenant"] == "acme"
    assert refusal(world, parent, role="admin") == (403, "forbidden")
    assert refusal(world, parent, role="read") == (403, "forbidden")
    assert refusal(world, world.key(Role.READ), role="read") == (403, "forbidden")
