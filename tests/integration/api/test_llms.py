"""What `/llms.txt` shows works as shown, on a real ledger."""

import json
import re

from tests.docs.tables import DOCS, table_under
from tests.world import World
from tollbook.domain.access import Role


def test_the_page_is_served_without_a_key_as_it_is_kept(world: World) -> None:
    answer = world.get("/llms.txt")
    assert (answer.status_code, answer.text) == (200, (DOCS / "llms.txt").read_text(encoding="utf-8"))
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_its_routes_are_those_that_are_served(world: World) -> None:
    document = world.get("/openapi.json").json()
    served = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    named = set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /\S*)`", world.get("/llms.txt").text))
    assert len(named) > 15
    assert named - {"GET /openapi.json"} <= served
    assert named <= table_under("api.md", "Routes").keys()


def test_its_examples_are_taken(world: World) -> None:
    text = world.get("/llms.txt").text
    report, hold, child = (json.loads(found) for found in re.findall(r"```json\n(.*?)\n```", text, re.DOTALL))
    key = world.key(Role.INGEST, "acme")
    world.follow_limits()
    world.drain()
    sent = world.ask("POST", "/v1/events", key, json=report)
    assert (sent.status_code, sent.json()) == (202, {"accepted": 1, "rejected": []})
    held = world.ask("POST", "/v1/holds", key, json=hold)
    assert (held.status_code, held.json()["decision"]) == (200, "allow")
    settled = world.ask("POST", "/v1/events", key, json={**report, "id": "msg_2", "hold": held.json()["hold"]["id"]})
    assert settled.status_code == 202
    made = world.ask("POST", "/v1/keys", key, json=child)
    assert (made.status_code, made.json()["agent"]) == (201, "planner/researcher")


def test_every_field_of_its_examples_is_in_the_document(world: World) -> None:
    """An example that names a field the API leaves aside would teach nothing."""
    schemas = world.get("/openapi.json").json()["components"]["schemas"]
    text = world.get("/llms.txt").text
    report, hold, child = (json.loads(found) for found in re.findall(r"```json\n(.*?)\n```", text, re.DOTALL))
    for example, schema in ((report, "EventBody"), (hold, "HoldBody"), (child, "KeyRequest")):
        assert example.keys() <= schemas[schema]["properties"].keys(), schema
