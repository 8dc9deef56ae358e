"""Entries found, followed and taken apart; runs as they went; the audit trail."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from tests.world import World, event
from tollbook.app.prices import price_cards
from tollbook.domain.access import Role
from tollbook.domain.event import Observer, Seen
from tollbook.domain.usage import Usage
from tollbook.enforcement.asks import Ask
from tollbook.ports.prices import KeptBook
from tollbook.pricing.book import PriceBook


def pages(world: World, path: str, key: str) -> list[dict[str, Any]]:
    """Every row of a paged route."""
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = world.get(f"{path}{cursor}", key).json()
        rows += answer["rows"]
        if answer["next"] is None:
            return rows
        cursor = f"&cursor={quote(answer['next'])}"


def test_filters_of_entries_are_parameters_and_a_wrong_one_is_refused(world: World) -> None:
    now = world.clock.now()
    world.book(
        event(id="a", run="r", provider="openai"),
        event(id="b", agent="boss/hand#2", model="m-2", ts=now - timedelta(days=2)),
        event("globex", id="c", cost_usd="5"),
    )
    key = world.key(Role.READ)
    since = quote((now - timedelta(days=1)).isoformat())
    for query, ids in {
        "agent=boss": ["b"],
        "model=m-2": ["b"],
        "provider=openai": ["a"],
        "run=r": ["a"],
        "flag=unpriced": ["b"],
        "flag=reported_differs": ["c"],
        "flag=corrected": [],
        "min_cost_usd=0.001": ["b"],
        f"tenant=acme&from={since}": ["a"],
        f"tenant=acme&to={since}": ["b"],
    }.items():
        assert [row["id"] for row in pages(world, f"/v1/entries?{query}", key)] == ids, query
    for query, code in {
        "flag=odd": "query_invalid",
        "from=yesterday": "query_invalid",
        "min_cost_usd=much": "query_invalid",
        "agent=%0a": "field_invalid",
        "colour=red": "query_invalid",
    }.items():
        answer = world.get(f"/v1/entries?{query}", key)
        assert (answer.status_code, answer.json()["code"]) == (400, code), query


def test_a_follower_is_told_each_entry_once_in_the_order_of_commits(world: World) -> None:
    world.book(event(id="old"))
    key, bound = world.key(Role.READ), world.key(Role.READ, "globex")
    answer = world.get("/v1/entries/follow", key).json()
    assert answer["rows"] == []
    place, own = answer["next"], world.get("/v1/entries/follow", bound).json()["next"]
    assert world.get(f"/v1/entries/follow?after={quote(place)}", key).json() == {"rows": [], "next": place}
    for number in range(3):
        world.book(
            event(id=f"n{number}", ts=world.clock.now() - timedelta(days=number)), event("globex", id=f"g{number}")
        )
    told: list[str] = []
    while True:
        answer = world.get(f"/v1/entries/follow?limit=2&wait_s=1&after={quote(place)}", key).json()
        place = answer["next"]
        if not answer["rows"]:
            break
        told += [row["id"] for row in answer["rows"]]
    assert sorted(told) == sorted([*(f"n{number}" for number in range(3)), *(f"g{number}" for number in range(3))])
    seen = world.get(f"/v1/entries/follow?after={quote(own)}", bound).json()["rows"]
    assert [row["id"] for row in seen] == ["g0", "g1", "g2"]
    for odd in ("nonsense", quote(place[:-8]), "wpKAgA=="):
        assert world.get(f"/v1/entries/follow?after={odd}", key).json().get("code") in (None, "query_invalid")


def keep(world: World, book: PriceBook) -> None:
    """Keep a book's cards, as a start of a receiver does."""
    kept = KeptBook(book.digest, "test", None, "")
    world.run(world.services.price_store.keep(kept, price_cards(book)))


def test_an_entry_is_taken_apart_by_its_own_card_to_the_nano(world: World) -> None:
    book = world.services.prices.book
    keep(world, book)
    rates = book.rates("acme-labs", "m-1", None, world.clock.now(), tenant="acme")
    units = {"web_searches": 2}
    cost = rates.quote(Usage(input=100, output=50), units)
    world.book(event(id="x", provider="acme-labs", units=units))
    world.execute("UPDATE entry SET price_id = $1, cost_nanos = $2", cost.price_id, cost.cost_nanos)
    key = world.key(Role.READ)
    (row,) = world.get("/v1/entries", key).json()["rows"]
    told = world.get(f"/v1/entries/{row['entry_id']}", key).json()
    assert told["entry"] == row
    assert (told["matches"], told["note"], told["computed_usd"]) == (True, None, row["cost_usd"])
    assert {line["unit"]: (line["count"], line["usd"]) for line in told["lines"]} == {
        "input_tokens": (100, "0.9"),
        "output_tokens": (50, "0.9"),
        "web_searches": (2, "9"),
    }
    assert told["card"]["origin"] == "discount"
    assert told["card"]["price_id"] == row["price_id"]
    assert (told["standing"], told["standing_usd"]) == ([row["entry_id"]], row["cost_usd"])
    assert world.get(f"/v1/entries/{row['entry_id']}", world.key(Role.READ, "globex")).status_code == 404


def test_what_the_ceiling_priced_is_explained_by_the_ceiling(world: World) -> None:
    world.book(event(id="x", model="m-unknown"))
    key = world.key(Role.READ)
    (row,) = world.get("/v1/entries", key).json()["rows"]
    told = world.get(f"/v1/entries/{row['entry_id']}?ts={quote(row['ts'])}", key).json()
    assert told["card"] is None
    assert {line["unit"] for line in told["lines"]} == {"input_tokens", "output_tokens"}
    # The prices of these tests have another ceiling than the book: the answer says so instead of pretending.
    assert (told["matches"], told["note"] is not None) == (False, True)


def test_a_corrected_call_shows_what_stands(world: World) -> None:
    """A better observation takes the first back: three entries, of which one stands, and they come to its cost."""
    seen = Seen(by=Observer.LEAF, response_id="msg_01XFDUDYJgAACzvnptvVoYEL")
    better = msgspec.structs.replace(seen, by=Observer.GATEWAY)
    world.book(event(id="a", seen=seen))
    world.book(event(id="b", seen=better, output=70))
    key = world.key(Role.READ)
    rows = world.get("/v1/entries?flag=corrected", key).json()["rows"]
    assert sorted(row["calls"] for row in rows) == [-1, 1]
    reversal, replacement = sorted(rows, key=lambda row: int(row["calls"]))
    for row in rows:
        told = world.get(f"/v1/entries/{row['entry_id']}?ts={quote(row['ts'])}", key).json()
        assert [one["calls"] for one in told["calls"]] == [1, -1, 1]
        assert told["standing"] == [replacement["entry_id"]]
        assert told["standing_usd"] == replacement["cost_usd"]
    assert world.get(f"/v1/entries/{reversal['entry_id']}", key).status_code == 404


def test_a_run_shows_its_tree_its_calls_its_holds_and_what_was_refused(world: World) -> None:
    now = world.clock.now()
    world.run(world.config.set_limit("acme", 1_000_000_000, "test"))
    world.follow_limits()
    world.book(
        event(id="a", run="r 1", agent="boss", ts=now - timedelta(minutes=9)),
        event(id="b", run="r 1", agent="boss/hand#1", ts=now - timedelta(minutes=8), cache_read=80),
        event(id="c", run="r 1", agent="boss/hand#2/finger", ts=now - timedelta(minutes=7), model="m-2", output=30),
        event(id="d", run="another", agent="boss"),
    )
    held = world.run(world.gate.hold(Ask(tenant="acme", agent="boss", model="m-1", run="r 1", amount_nanos=1_000)))
    assert held.hold is not None
    for _ in range(3):
        ask = Ask(tenant="acme", agent="boss/hand#1", model="m-1", run="r 1", amount_nanos=9_000_000_000)
        assert not world.run(world.gate.check(ask)).admits
    world.run(world.refusals.write())
    key = world.key(Role.READ, "acme")
    told = world.get("/v1/runs/r%201/timeline", key).json()
    assert [(one["agent"], one["depth"], one["costliest"]) for one in told["instances"]] == [
        ("boss", 0, True),
        ("boss/hand#1", 1, False),
        ("boss/hand#2", 1, True),
        ("boss/hand#2/finger", 2, True),
    ]
    assert told["instances"][0]["inclusive"] == told["total"]
    assert told["total"] == world.get("/v1/runs/r%201", key).json()["total"]
    assert told["instances"][2]["own"]["calls"] == 0
    assert [(one["agent"], one["cache_share"]) for one in told["calls"]] == [
        ("boss", "0.000"),
        ("boss/hand#1", "0.800"),
        ("boss/hand#2/finger", "0.000"),
    ]
    assert [one["id"] for one in told["holds"]] == [held.hold.id]
    (refused,) = told["refusals"]
    assert (refused["agent"], refused["verdict"], refused["budget"], refused["times"]) == (
        "boss/hand#1",
        "spent",
        "daily",
        3,
    )
    rows = pages(world, "/v1/runs?limit=1", key)
    assert [(row["run"], row["calls"], row["agents"]) for row in rows] == [("another", 1, 1), ("r 1", 3, 3)]
    other = world.key(Role.READ, "globex")
    assert world.get("/v1/runs/r%201/timeline", other).status_code == 404
    assert world.get("/v1/runs", other).json()["rows"] == []
    world.book(event("globex", run="r 1"))
    answer = world.get("/v1/runs/r%201/timeline", world.key(Role.READ))
    assert (answer.status_code, answer.json()["code"]) == (400, "query_invalid")


def test_every_change_is_noted_with_who_made_it(world: World) -> None:
    key = world.key()
    by = f"key {key.split('_')[1]}"
    made = world.ask("POST", "/v1/keys", key, json={"role": "read", "tenant": "acme", "note": "look"}).json()
    world.ask("DELETE", f"/v1/keys/{made['key_id']}", key)
    token = world.ask("POST", "/v1/webhooks", key, json={"source": "bot"}).json()["token_id"]
    world.ask(
        "PUT", "/v1/budgets/small?tenant=acme", key, json={"scope": "tenant", "window": "month", "limit_usd": "5"}
    )
    world.ask("PUT", "/v1/tenants/acme/time-zone", key, json={"time_zone": "Asia/Kolkata"})
    world.ask("PUT", "/v1/tenants/acme/time-zone", key, json={"time_zone": "Asia/Kolkata"})
    hook = world.ask("POST", "/v1/alert-hooks", key, json={"url": "https://hooks.example.com/x"}).json()["hook_id"]
    world.ask("DELETE", f"/v1/alert-hooks/{hook}", key)
    rows = pages(world, "/v1/changes?limit=3", key)
    mine = [(row["kind"], row["action"], row["tenant"], row["name"]) for row in rows if row["by"] == by][::-1]
    assert mine == [
        ("key", "made", "acme", made["key_id"]),
        ("key", "changed", "acme", made["key_id"]),
        ("webhook", "made", None, token),
        ("budget", "set", "acme", "small"),
        ("zone", "made", "acme", "UTC"),
        ("zone", "made", "acme", "Asia/Kolkata"),
        ("hook", "made", None, hook),
        ("hook", "removed", None, hook),
    ]
    text = str(rows)
    assert made["key"].rsplit("_", 1)[1] not in text
    assert "secret" not in text
    assert "token_hash" not in text
    world.execute("UPDATE alert_hook SET disabled = 'x'")
    world.execute("DELETE FROM webhook_token WHERE token_id = $1", token)
    newest = world.get("/v1/changes?kind=webhook&limit=1", key).json()["rows"][0]
    assert (newest["action"], newest["by"].startswith("database user ")) == ("removed", True)
    bound = world.key(Role.ADMIN, "acme")
    assert {row["tenant"] for row in pages(world, "/v1/changes?limit=100", bound)} == {"acme"}
    assert world.get("/v1/changes?tenant=globex", bound).status_code == 403
    assert world.get("/v1/changes", world.key(Role.READ)).status_code == 403


@pytest.mark.parametrize("path", ["/v1/entries/follow", "/v1/runs", "/v1/runs/r/timeline", "/v1/changes"])
def test_a_key_that_sends_sees_none_of_it(world: World, path: str) -> None:
    assert world.get(path, world.key(Role.INGEST)).status_code == 403
