"""`GET /v1/prices` as its readers see it."""

import pytest

from tests.world import World
from tollbook.domain.access import Role


def test_a_model_shows_its_cards_and_which_hold(world: World) -> None:
    key = world.key(Role.READ)
    shown = world.get("/v1/prices?model=m-1&at=2026-05-31T23:59:59Z", key).json()
    assert (shown["provider"], shown["model"], shown["borrowed"]) == ("acme-labs", "m-1", False)
    assert [(row["context"], row["in_force"]) for row in shown["rows"]] == [
        ({}, True),
        ({"processing": "batch"}, False),
    ]
    assert shown["rows"][0]["usd"]["input_tokens"] == {"usd": "1", "per": 1_000_000, "tiers": [], "like": None}
    assert shown["rows"][0]["origin"] == "override"
    assert shown["ceiling"]["input_tokens"] == "20"
    later = world.get("/v1/prices?model=m-1&at=2026-06-01T00:00:00Z", key).json()
    assert [row["in_force"] for row in later["rows"]] == [True, True]


def test_a_tenants_key_sees_its_own_prices(world: World) -> None:
    own = world.get("/v1/prices?provider=acme-labs&model=m-1", world.key(Role.READ, "acme")).json()
    assert own["rows"][0]["usd"]["input_tokens"]["usd"] == "0.9"
    assert (own["rows"][0]["origin"], own["rows"][0]["factors"]) == ("discount", [{"name": "friends", "factor": "0.9"}])
    assert world.get("/v1/prices?model=m-1&tenant=acme", world.key(Role.READ)).json()["rows"] == own["rows"]
    assert world.get("/v1/prices?model=m-1&tenant=acme", world.key(Role.READ, "globex")).status_code == 403


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("model=no-such", 404, "not_found"),
        ("model=m-1&at=yesterday", 400, "query_invalid"),
        ("model=m-1&at=2026-01-01T00:00:00", 400, "query_invalid"),
        ("provider=acme-labs", 400, "request_invalid"),
        ("model=m-1&modle=m", 400, "query_invalid"),
    ],
)
def test_what_cannot_be_answered_says_why(world: World, query: str, status: int, code: str) -> None:
    answer = world.get(f"/v1/prices?{query}", world.key(Role.READ))
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_key_that_only_sends_sees_no_prices(world: World) -> None:
    assert world.get("/v1/prices?model=m-1", world.key(Role.INGEST)).status_code == 403
