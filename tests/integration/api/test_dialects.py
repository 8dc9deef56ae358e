"""The routes of other systems' payloads: attribution, answers, identity, and what the ledger has of them."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from tests.integration.sources.answers import CREATED
from tests.payloads import Payload, payloads
from tests.world import World
from tollbook.domain.access import Role
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.mapping import MappingBook, mapping_of
from tollbook.pipeline.directory import mint_token

PAYLOADS = {payload.name: payload for payload in payloads()}
USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
ANSWER = {"id": "chatcmpl-Bq7Wn3vZkT9xLrY2", "model": "m-1", "choices": [], "usage": USAGE}


@pytest.fixture(autouse=True)
def _then(world: World) -> None:
    """The time at which the payloads were made."""
    world.clock.ahead = (
        datetime.fromtimestamp(CREATED, UTC) + 24 * (datetime.resolution * 3_600_000_000) - datetime.now(UTC)
    )


def post(world: World, payload: Payload, key: str) -> httpx2.Response:
    """A payload as its package sends it."""
    headers = {"content-type": payload.media_type, **payload.headers}
    return world.ask("POST", payload.path, key, content=payload.body, headers=headers)


def entries(world: World, tenant: str = "acme") -> list[dict[str, Any]]:
    """What the ledger has of a tenant."""
    world.drain()
    found: list[dict[str, Any]] = world.get(f"/v1/entries?tenant={tenant}&limit=100", world.key()).json()["rows"]
    return found


def test_every_payload_is_taken_and_a_repeat_counts_once(world: World) -> None:
    key = world.key(Role.INGEST, "acme")
    statuses = {name: post(world, payload, key).status_code for name, payload in PAYLOADS.items()}
    wanted = {"/v1/litellm": 200, "/api/v1/events": 204}
    assert statuses == {name: wanted.get(payload.path, 202) for name, payload in PAYLOADS.items()}
    first = {entry["id"] for entry in entries(world)}
    for payload in PAYLOADS.values():
        if all(event.id for event in payload.decoded().events):
            post(world, payload, key)
    assert {entry["id"] for entry in entries(world)} == first
    assert all(equation.differing == 0 for equation in world.run(world.verify().run(world.drains)))


def test_headers_say_who_called_and_a_payload_says_it_first(world: World) -> None:
    key = world.key(Role.INGEST)
    who = {
        "x-tollbook-tenant": "acme",
        "x-tollbook-agent": "planner",
        "x-tollbook-run": "r-1",
        "x-tollbook-call": "c-1",
    }
    assert world.ask("POST", "/v1/usage/openai", key, json=ANSWER, headers=who).json() == {
        "accepted": 1,
        "rejected": [],
    }
    other = {**ANSWER, "id": "chatcmpl-Xw3Kp8vRtY5mNq7L"}
    envelope = {"tenant": "acme", "agent": "planner/writer", "run": "r-2", "call": "c-2", "response": other}
    assert world.ask("POST", "/v1/usage/openai?agent=none&tenant=other", key, json=envelope).status_code == 202
    found = {entry["id"]: entry for entry in entries(world)}
    assert (found["c-1"]["agent"], found["c-1"]["run"]) == ("planner", "r-1")
    assert (found["c-2"]["agent"], found["c-2"]["run"]) == ("planner/writer", "r-2")


def test_a_payload_never_speaks_for_another_tenant_than_its_key(world: World) -> None:
    key = world.key(Role.INGEST, "acme")
    answer = world.ask("POST", "/v1/usage/openai", key, json={"tenant": "globex", "response": ANSWER})
    assert (answer.status_code, answer.json()["code"]) == (403, "tenant_forbidden")
    assert world.ask("POST", "/v1/usage/openai", key, json=ANSWER).status_code == 202
    assert world.ask("POST", "/v1/usage/openai", world.key(Role.READ), json=ANSWER).status_code == 403
    assert world.ask("POST", "/v1/usage/openai", json=ANSWER).status_code == 401


def test_a_bad_item_costs_its_neighbours_nothing(world: World) -> None:
    key = world.key(Role.INGEST, "acme")
    batch = [ANSWER, {"id": "x"}, 7, {**ANSWER, "id": "chatcmpl-Cr8Xo4waLU0yMsZ3"}]
    answer = world.ask("POST", "/v1/usage/openai", key, json=batch)
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 2
    refused = [(one["index"], one["code"]) for one in answer.json()["rejected"]]
    assert refused == [(1, "usage_missing"), (2, "item_not_object")]
    assert len(entries(world)) == 2


def test_the_events_of_one_item_stand_or_fall_together(world: World) -> None:
    """The advisor's part alone costs more than one event may."""
    key = world.key(Role.INGEST, "acme")
    entry = {"type": "advisor_message", "model": "no-such", "input_tokens": 2_000_000_000, "output_tokens": 1}
    usage = {"input_tokens": 1, "output_tokens": 2, "iterations": [entry], "cache_read_input_tokens": 0}
    message = {"id": "msg_01XFDUDYJgAACzvnptvVoYEL", "type": "message", "model": "m-1", "usage": usage}
    world.services.resolver._limits = IntakeLimits(cost_nanos_max=10**12)
    answer = world.ask("POST", "/v1/usage/anthropic", key, json=[message, {**ANSWER}])
    assert answer.json()["accepted"] == 1
    assert [one["code"] for one in answer.json()["rejected"]] == ["cost_out_of_range"]
    assert [entry["model"] for entry in entries(world)] == ["m-1"]
    assert entries(world)[0]["id"] == ANSWER["id"]


def test_litellm_is_told_200_also_where_all_calls_failed(world: World) -> None:
    key = world.key(Role.INGEST, "acme")
    payload = json.loads(PAYLOADS["litellm_json_array"].body)[0]
    failed = {**payload, "status": "failure", "id": "f"}
    answer = world.ask("POST", "/v1/litellm", key, json=[failed])
    assert (answer.status_code, answer.json()) == (200, {"accepted": 0, "ignored": 1, "rejected": []})
    hit = {**payload, "cache_hit": True, "id": "hit-1"}
    assert world.ask("POST", "/v1/litellm", key, json=[payload, hit]).status_code == 200
    costs = {entry["id"]: (entry["input"], entry["cost_usd"]) for entry in entries(world)}
    assert costs["hit-1"] == (0, "0.000000000")
    assert costs[payload["id"]][0] == 120


def test_openmeter_is_told_204_and_problems_where_nothing_was_taken(world: World) -> None:
    key = world.key(Role.INGEST)
    good = json.loads(PAYLOADS["openmeter"].body)
    headers = {"content-type": "application/cloudevents-batch+json"}
    bad = {**good, "id": "om-9", "data": {"tokens": "many", "model": "m"}}
    answer = world.ask("POST", "/api/v1/events", key, content=json.dumps([good, bad]), headers=headers)
    assert (answer.status_code, answer.content, answer.headers["x-tollbook-rejected"]) == (204, b"", "1")
    answer = world.ask("POST", "/api/v1/events", key, content=json.dumps([bad]), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "field_invalid")
    assert world.ask("POST", "/api/v1/events", key, content=b"[]", headers=headers).status_code == 204
    (entry,) = entries(world)
    assert (entry["tenant"], entry["output"], entry["source"]) == ("acme", 123, "my-app")


def test_source_and_id_of_a_cloudevent_are_its_identity(world: World) -> None:
    key = world.key(Role.INGEST)
    event = json.loads(PAYLOADS["cloudevents_structured"].body)
    headers = {"content-type": "application/cloudevents-batch+json"}
    batch = [event, event, {**event, "source": "/fleet/other"}, {**event, "data": {**event["data"], "id": "own"}}]
    assert world.ask("POST", "/v1/events", key, content=json.dumps(batch), headers=headers).status_code == 202
    assert sorted(entry["source"] for entry in entries(world)) == ["/fleet/other", "/fleet/planner"]


MAPPING = b"""
source = "acme-bot"
when = "kind == 'llm'"
items = "calls[]"

[fields]
model = "m"
input = "in"
output = "out"
id = "id"
agent = "join('/', ['bots', bot])"
cost_usd = "usd"

[constants]
tenant = "acme"

[tags]
team = "team"
"""
MAPPED = {"calls": [{"kind": "llm", "m": "m-1", "in": "9", "out": 2.0, "id": "i-1", "bot": "b", "usd": 0.1, "team": 7},
                    {"kind": "tool"}]}  # fmt: skip


def test_a_mapping_takes_any_json_by_its_path_and_on_the_webhook_of_its_source(world: World) -> None:
    world.services.mappings = MappingBook.of([mapping_of(MAPPING, "bot", is_json=False)])
    key = world.key(Role.INGEST)
    assert world.ask("POST", "/v1/mapped/bot", key, json=MAPPED).json()["accepted"] == 1
    assert world.ask("POST", "/v1/mapped/none", key, json=MAPPED).status_code == 404
    token = world.run(mint_token(world.config, "acme-bot", by="test"))
    world.run(world.directory.refresh())
    answer = world.ask("POST", f"/webhook/receive/{token}", json={"calls": [{**MAPPED["calls"][0], "id": "i-2"}]})
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    found = {entry["id"]: entry for entry in entries(world)}
    assert found.keys() == {"i-1", "i-2"}
    assert found["i-2"]["agent"] == "bots/b"
    assert found["i-1"]["tags"] == {"team": "7"}
    assert found["i-1"]["reported_usd"] == "0.100000000"


def test_a_webhook_takes_every_dialect_by_what_it_looks_like(world: World) -> None:
    token = world.run(mint_token(world.config, "any", by="test", tenant="acme"))
    world.run(world.directory.refresh())
    names = [
        "openai_chat",
        "openai_responses",
        "openai_chat_sse",
        "anthropic_events",
        "gemini",
        "cohere",
        "ollama",
        "bedrock",
        "mistral_ocr",
        "litellm_json_array",
        "litellm_ndjson",
        "cloudevents_batch",
        "cloudevents_binary",
        "cloudevents_structured",
    ]
    for name in names:
        payload = PAYLOADS[name]
        headers = {"content-type": payload.media_type, **payload.headers}
        answer = world.ask("POST", f"/webhook/receive/{token}", content=payload.body, headers=headers)
        assert answer.status_code == 200, (name, answer.text)
        assert answer.json()["accepted"] == len(payload.decoded().events), name
    native = {"tenant": "acme", "agent": "a", "model": "m-1", "input": 1, "output": 1}
    assert world.ask("POST", f"/webhook/receive/{token}", json=native).json()["accepted"] == 1
    refused = world.ask("POST", f"/webhook/receive/{token}", json={"hello": 1})
    assert (refused.status_code, refused.json()["code"]) == (422, "field_missing")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/v1/usage/openai", b"", 405, "method_not_allowed"),
        ("POST", "/v1/usage/", b"{}", 404, "not_found"),
        ("POST", "/v1/usage/a%20b", b"{}", 404, "not_found"),
        ("POST", "/v1/usage/openai", b"", 400, "body_empty"),
        ("POST", "/v1/usage/openai", b"{", 400, "json_invalid"),
        ("POST", "/v1/usage/openai", b"[" * 100 + b"]" * 100, 400, "too_deep"),
        ("POST", "/v1/usage/openai", b'{"a": ' * 99 + b"1" + b"}" * 99, 400, "too_deep"),
        ("POST", "/v1/usage/openai", b"{}", 422, "usage_missing"),
        ("POST", "/v1/litellm", b"[1]", 422, "item_not_object"),
    ],
)  # fmt: skip
def test_a_refusal_says_why(world: World, method: str, path: str, body: bytes, status: int, code: str) -> None:
    headers = {"content-type": "application/json"}
    answer = world.ask(method, path, world.key(Role.INGEST, "acme"), content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
