"""What the read and admin routes answer."""

from datetime import timedelta
from urllib.parse import quote

import pytest

from tests.world import World, event
from tollbook.domain.access import Role
from tollbook.ports.received import ReceivedRequest


def test_spend_is_grouped_and_summed(world: World) -> None:
    world.book(event(agent="planner#1"), event(agent="planner#2"), event("globex", model="m-2"))
    key = world.key(Role.READ)
    answer = world.get("/v1/spend?by=tenant,agent", key).json()
    today = world.clock.now().date().isoformat()
    assert (answer["from"], answer["to"]) == (today, today)
    acme, globex = answer["rows"]
    assert acme == {
        "tenant": "acme",
        "agent": "planner",
        "calls": 2,
        "cost_usd": "0.000300000",
        "unpriced_usd": "0.000000000",
        "input": 200,
        "output": 100,
        "cache_read": 0,
        "cache_write": 0,
        "reasoning": 0,
    }
    assert globex["unpriced_usd"] == globex["cost_usd"] == "0.012000000"
    assert answer["total"]["cost_usd"] == "0.012300000"
    assert answer["total"]["calls"] == 3


def test_spend_by_hour_and_day_shows_both_as_text(world: World) -> None:
    world.book(event())
    (row,) = world.get("/v1/spend?tenant=acme&by=day,hour,model", world.key()).json()["rows"]
    assert row["day"] == world.clock.now().date().isoformat()
    assert row["hour"].endswith(":00:00Z")
    assert row["model"] == "m-1"


def test_spend_without_days_is_of_the_tenants_own_today(world: World) -> None:
    key = world.key()
    world.clock.ahead = -timedelta(days=2)
    world.ask("PUT", "/v1/tenants/acme/time-zone", key, json={"time_zone": "Pacific/Kiritimati"})
    world.clock.ahead = timedelta()
    found = world.get("/v1/spend?tenant=acme", key).json()
    there = world.clock.now() + timedelta(hours=14)
    assert found["from"] == found["to"] == there.date().isoformat()
    assert found["rows"] == []
    assert found["total"]["cost_usd"] == "0.000000000"


def test_entries_are_paged_by_a_cursor(world: World) -> None:
    world.book(*(event(id=f"e-{number}", tags={"n": str(number)}) for number in range(5)))
    key, seen, path = world.key(Role.READ), [], "/v1/entries?tenant=acme&limit=2"
    cursor = ""
    while True:
        page = world.get(path + cursor, key).json()
        seen += page["rows"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert {row["id"] for row in seen} == {f"e-{number}" for number in range(5)}
    assert len(seen) == 5
    assert seen[0]["cost_usd"] == "0.000150000"
    assert (seen[0]["priced"], seen[0]["flags"], seen[0]["price_id"]) == (True, [], "7")


def test_an_unpriced_entry_says_so(world: World) -> None:
    world.book(event(model="unheard-of", cost_usd="1.5"))
    (row,) = world.get("/v1/entries", world.key()).json()["rows"]
    assert (row["priced"], row["flags"], row["price_id"]) == (False, ["unpriced"], None)
    assert row["reported_usd"] == "1.500000000"


def test_a_run_adds_up_and_an_unknown_one_is_404(world: World) -> None:
    world.book(event(run="task/1", agent="a#1"), event(run="task/1", agent="a#2"))
    key = world.key(Role.READ)
    answer = world.get("/v1/runs/task%2F1?tenant=acme", key).json()
    assert answer["run"] == "task/1"
    assert answer["total"]["calls"] == 2
    assert [row["agent"] for row in answer["rows"]] == ["a#1", "a#2"]
    missing = world.get("/v1/runs/task", key)
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


def test_status_follows_the_counters(world: World) -> None:
    world.follow_limits()
    world.drain()
    world.book(event())
    world.accept(event())
    status = world.get("/v1/tenants/acme/status", world.key(Role.INGEST, "acme")).json()
    tomorrow = world.clock.now().date() + timedelta(days=1)
    assert status == {
        "tenant": "acme",
        "day": world.clock.now().date().isoformat(),
        "spent_usd": "0.000300000",
        "settled_usd": "0.000150000",
        "pending_usd": "0.000150000",
        "held_usd": "0.000000000",
        "limit_usd": "50.000000000",
        "remaining_usd": "49.999700000",
        "throttled": False,
        "reset_at": f"{tomorrow.isoformat()}T00:00:00Z",
        "time_zone": "UTC",
        "source": "counters",
    }


def test_a_budget_is_set_followed_and_removed(world: World) -> None:
    key = world.key()
    world.drain()
    world.book(event())
    put = world.ask("PUT", "/v1/tenants/acme/budget", key, json={"limit_usd": "0.0001"})
    assert put.status_code == 200
    assert (put.json()["limit_usd"], put.json()["default"], put.json()["per"]) == ("0.000100000", False, "day")
    world.follow_limits()
    status = world.get("/v1/tenants/acme/status", key).json()
    assert (status["throttled"], status["remaining_usd"]) == (True, "0.000000000")
    removed = world.ask("DELETE", "/v1/tenants/acme/budget", key).json()
    assert (removed["limit_usd"], removed["default"], removed["tenant"]) == ("50.000000000", True, "acme")
    world.follow_limits()
    assert world.get("/v1/tenants/acme/status", key).json()["throttled"] is False


def test_the_default_budget_is_for_whole_admins(world: World) -> None:
    key = world.key()
    assert world.ask("PUT", "/v1/budget", key, json={"limit_usd": 120}).json()["limit_usd"] == "120.000000000"
    assert world.get("/v1/budget", key).json()["tenant"] is None
    assert world.ask("PUT", "/v1/budget", world.key(tenant="acme"), json={"limit_usd": 1}).status_code == 403
    world.ask("PUT", "/v1/tenants/acme/budget", key, json={"limit_usd": "1"})
    world.ask("PUT", "/v1/tenants/globex/budget", key, json={"limit_usd": "2"})
    assert [row["tenant"] for row in world.get("/v1/budgets", key).json()["rows"]] == [None, "acme", "globex"]
    bound = world.key(Role.READ, "globex")
    assert [row["tenant"] for row in world.get("/v1/budgets", bound).json()["rows"]] == [None, "globex"]


def test_status_is_read_from_the_ledger_while_the_counters_are_lost(world: World) -> None:
    key = world.key()
    world.drain()
    world.book(event())
    world.run(world.store.flushall())
    status = world.get("/v1/tenants/acme/status", key).json()
    assert (status["source"], status["settled_usd"], status["pending_usd"]) == ("ledger", "0.000150000", None)
    assert status["throttled"] is False
    world.ask("PUT", "/v1/tenants/acme/budget", key, json={"limit_usd": "0.00015"})
    assert world.get("/v1/tenants/acme/status", key).json()["throttled"] is True


def test_a_key_is_made_used_listed_and_revoked(world: World) -> None:
    admin = world.key()
    made = world.ask("POST", "/v1/keys", admin, json={"role": "read", "tenant": "acme", "note": "dashboards"})
    assert made.status_code == 201
    key = made.json()["key"]
    assert world.get("/v1/spend", key).status_code == 200
    listed = world.get("/v1/keys", admin).json()["rows"]
    bounds = {"parent", "agent", "run", "expires_at"}
    assert {"key_id", "role", "tenant", "note", "created_at", "revoked_at"} | bounds == set(listed[0])
    assert made.json()["key_id"] in {row["key_id"] for row in listed}
    assert key not in world.get("/v1/keys", admin).text
    path = f"/v1/keys/{made.json()['key_id']}"
    assert world.ask("DELETE", path, admin).status_code == 204
    assert world.get("/v1/spend", key).status_code == 401
    assert world.ask("DELETE", path, admin).status_code == 404


def test_a_bound_admin_keeps_to_its_tenant(world: World) -> None:
    whole, bound = world.key(), world.key(tenant="acme")
    assert world.ask("POST", "/v1/keys", bound, json={"role": "read", "tenant": "globex"}).status_code == 403
    assert world.ask("POST", "/v1/keys", bound, json={"role": "read"}).json()["tenant"] == "acme"
    assert world.ask("POST", "/v1/webhooks", bound, json={"source": "otel"}).json()["tenant"] == "acme"
    other = world.ask("POST", "/v1/keys", whole, json={"role": "read"}).json()["key_id"]
    assert world.ask("DELETE", f"/v1/keys/{other}", bound).status_code == 404
    assert {row["tenant"] for row in world.get("/v1/keys", bound).json()["rows"]} == {"acme"}
    hook = world.ask("POST", "/v1/webhooks", whole, json={"source": "otel"}).json()
    assert world.ask("DELETE", f"/v1/webhooks/{hook['token_id']}", bound).status_code == 404
    assert {row["tenant"] for row in world.get("/v1/webhooks", bound).json()["rows"]} == {"acme"}


def test_a_webhook_shows_what_it_received_until_it_is_revoked(world: World) -> None:
    admin = world.key()
    made = world.ask("POST", "/v1/webhooks", admin, json={"source": "otel", "tenant": "acme"}).json()
    for number in ("1", "2"):
        request = ReceivedRequest(number, "POST", made["receive_path"], "", {"A": ["b"]}, "{}", "2026-08-01T00:00:00Z")
        world.run(world.services.received.keep(made["token_id"], request))
    answer = world.get(made["requests_path"]).json()
    assert (answer["ok"], answer["total"]) == (True, 2)
    assert [request["id"] for request in answer["requests"]] == ["2", "1"]
    assert world.ask("DELETE", f"/v1/webhooks/{made['token_id']}", admin).status_code == 204
    gone = world.get(made["requests_path"])
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


def test_a_zone_changes_at_the_next_midnight_and_once(world: World) -> None:
    key = world.key()
    path = "/v1/tenants/acme/time-zone"
    before = world.get(path, key).json()
    assert before == {"tenant": "acme", "time_zone": "UTC", "next_time_zone": None, "next_from": None}
    changed = world.ask("PUT", path, key, json={"time_zone": "Asia/Kolkata"}).json()
    assert (changed["time_zone"], changed["next_time_zone"]) == ("UTC", "Asia/Kolkata")
    assert world.ask("PUT", path, key, json={"time_zone": "Asia/Kolkata"}).json() == changed
    world.clock.ahead = timedelta(days=3)
    assert world.get(path, key).json()["time_zone"] == "Asia/Kolkata"
    assert world.get("/v1/tenants/acme/status", key).json()["reset_at"].endswith("T18:30:00Z")


def test_a_zone_changed_a_minute_before_midnight_waits_a_day(world: World) -> None:
    now = world.clock.now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    world.clock.ahead = midnight - timedelta(minutes=1) - now
    changed = world.ask("PUT", "/v1/tenants/acme/time-zone", world.key(), json={"time_zone": "Asia/Kolkata"}).json()
    assert changed["next_from"] == (midnight + timedelta(days=1)).date().isoformat()


@pytest.mark.parametrize("tenant", ["org/team", "ünïcode", "a b", "100%"])
def test_any_name_that_events_bear_can_be_asked_for(world: World, tenant: str) -> None:
    world.book(event(tenant))
    key = world.key()
    name = quote(tenant, safe="")
    assert world.get(f"/v1/tenants/{name}/status", key).json()["tenant"] == tenant
    assert world.get(f"/v1/spend?tenant={name}", key).json()["total"]["calls"] == 1


def test_health_readiness_and_metrics_need_no_key(world: World) -> None:
    assert world.get("/healthz").json() == {"ok": True}
    ready = world.get("/readyz")
    assert (ready.status_code, ready.json()["ok"]) == (200, True)
    assert ready.json()["valkey"] == ready.json()["postgres"] == {"ok": True, "code": None}
    metrics = world.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert metrics.text.startswith("tollbook_")
