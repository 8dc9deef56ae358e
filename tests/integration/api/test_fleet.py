"""`/v1/fleet` and `/v1/tenants`."""

from datetime import timedelta

from tests.world import World, event
from tollbook.domain.access import Role


def test_an_empty_fleet_is_all_zeros(world: World) -> None:
    world.follow_limits()
    found = world.get("/v1/fleet", world.key(Role.READ)).json()
    assert found["today"]["calls"] == 0
    assert found["tenants"] == found["agents"] == found["models"] == found["throttled"] == found["unpriced"] == []
    assert (found["limit_usd"], found["tenants_spending"]) == (None, 0)
    assert len(found["days"]) == 30
    assert 23 <= len(found["hours"]) <= 25
    assert found["journal"]["records"] == 0


def test_the_dearest_come_first_with_their_limits(world: World) -> None:
    key = world.key()
    world.ask("PUT", "/v1/tenants/globex/budget", key, json={"limit_usd": "0.01"})
    world.follow_limits()
    world.book(event("acme", input=50), event("globex", input=5_000, model="m-2"), event("initech", input=500))
    found = world.get("/v1/fleet", key).json()
    assert [line["tenant"] for line in found["tenants"]] == ["globex", "initech", "acme"]
    globex, initech, _ = found["tenants"]
    assert (globex["limit_usd"], globex["throttled"]) == ("0.010000000", True)
    assert (globex["spent_usd"], globex["unpriced_usd"], globex["share"]) == ("0.404000000", "0.404000000", "40.400")
    assert (initech["limit_usd"], initech["throttled"], initech["share"]) == ("50.000000000", False, "0.000")
    assert found["limit_usd"] == "100.010000000"
    assert found["tenants_spending"] == 3
    assert [model["model"] for model in found["unpriced"]] == ["m-2"]
    assert found["calls_per_second"] == "0.0"
    assert [agent["tenant"] for agent in found["agents"]] == ["globex", "initech", "acme"]


def test_what_waits_is_told_and_not_added(world: World) -> None:
    world.follow_limits()
    world.book(event())
    world.accept(event(), event())
    found = world.get("/v1/fleet", world.key(Role.READ)).json()
    assert found["today"]["calls"] == 1
    assert found["journal"]["records"] == 1


def test_tenants_are_paged_either_way(world: World) -> None:
    names = [f"tenant-{number}" for number in range(7)]
    now = world.clock.now()
    world.book(*(event(name, input=100 + number) for number, name in enumerate(names)))
    world.book(event("of-old", ts=now - timedelta(days=9)))
    key = world.key(Role.READ)
    for order, expected in (("spent", names[::-1]), ("name", ["of-old", *names])):
        seen, cursor = [], ""
        while True:
            page = world.get(f"/v1/tenants?limit=3&order={order}{cursor}", key).json()
            seen += [row["tenant"] for row in page["rows"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert seen == expected


def test_what_says_nothing_is_refused(world: World) -> None:
    key = world.key(Role.READ)
    for query in ("cursor=x", "order=size", "limit=0", "limit=1001", "tenant=acme"):
        assert world.get(f"/v1/tenants?{query}", key).status_code == 400
    assert world.get("/v1/fleet", world.key(Role.INGEST)).status_code == 403
    assert world.get("/v1/fleet").status_code == 401
