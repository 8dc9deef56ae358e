"""One call seen by the SDK and by the provider's raw answer costs the same, to the nano-dollar."""

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from tests.integration.client.conftest import NewClient
from tests.integration.client.gate_double import Gate
from tests.payloads import LIMITS, Payload, payloads
from tollbook.domain.event import Event
from tollbook.ingest import frameworks
from tollbook.ingest.native import decode
from tollbook.pipeline.resolve import price_of
from tollbook.pricing.book import PriceBook
from tollbook.pricing.bundled import bundled_book

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
# A framework's messages are several calls, which the SDK's hooks report one by one.
ANSWERS = [
    payload
    for payload in payloads()
    if payload.path.startswith("/v1/usage/")
    and payload.media_type == "application/json"
    and payload.path.rpartition("/")[2] not in frameworks.NAMES
]
GEOGRAPHY = {
    "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
    "type": "message",
    "model": "claude-opus-4-7",
    "usage": {
        "input_tokens": 900,
        "output_tokens": 300,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 50,
        "inference_geo": "us",
        "service_tier": "standard",
        "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 1},
    },
}


@cache
def book() -> PriceBook:
    return bundled_book()


def told(event: Event) -> tuple[Any, ...]:
    """What a price follows from, and the price."""
    price = price_of(book(), event, NOW)
    units, context = event.units or None, event.context or None
    return event.model, event.usage, event.service_tier, units, context, price.cost_nanos, price.flags


def by_sdk(new_client: NewClient, gate: Gate, answer: object, model: str, provider: str | None) -> list[Event]:
    client = new_client(gate="off")
    with client.call(model, provider=provider) as call:
        call.record(answer)
    assert client.flush(10) == 0
    body = json.dumps(list(gate.events.values())).encode()
    decoded = decode(body, None, LIMITS)
    assert decoded.rejections == []
    return decoded.events


@pytest.mark.parametrize("payload", ANSWERS, ids=[payload.name for payload in ANSWERS])
def test_the_sdk_and_the_raw_answer_cost_the_same(new_client: NewClient, gate: Gate, payload: Payload) -> None:
    raw = payload.decoded().events
    assert raw
    seen = by_sdk(new_client, gate, json.loads(payload.body), raw[0].model, raw[0].provider)
    assert sorted(map(repr, map(told, seen))) == sorted(map(repr, map(told, raw)))


def test_fees_and_geography_come_with_the_event(new_client: NewClient, gate: Gate) -> None:
    payload = Payload("geo", "/v1/usage/anthropic", "application/json", {}, json.dumps(GEOGRAPHY).encode())
    (raw,) = payload.decoded().events
    (event,) = by_sdk(new_client, gate, GEOGRAPHY, "claude-opus-4-7", raw.provider)
    assert event.units == {"web_searches": 3, "web_fetches": 1}
    assert event.context == {"inference_geo": "us"}
    assert told(event) == told(raw)


def test_what_a_call_is_asked_for_is_held_and_told_with_it(new_client: NewClient, gate: Gate) -> None:
    client = new_client()
    with client.call("m", max_output_tokens=1, context={"speed": "fast"}) as call:
        event_id = call.record({"input": 1, "output": 1})
    assert client.flush(10) == 0
    (asked,) = [body for _, path, body in gate.requests if path == "/v1/holds"]
    assert asked["context"] == gate.events[event_id]["context"] == {"speed": "fast"}


def test_own_counts_may_name_units_and_context(new_client: NewClient, gate: Gate) -> None:
    own = {"input": 10, "output": 2, "units": {"web_searches": 2, "odd": "x"}, "context": {"speed": "fast"}}
    (event,) = by_sdk(new_client, gate, own, "claude-opus-4-7", "anthropic")
    assert (event.units, event.context) == ({"web_searches": 2}, {"speed": "fast"})
