"""What a request asks for is told from its body, and what was granted is written into a copy of it."""

from typing import Any

import pytest

from tollbook.client.integrations.asking import (
    CHAT,
    COMPACT,
    EMBEDDINGS,
    MESSAGES,
    RESPONSES,
    Route,
    asked_of,
    granted_body,
    input_tokens_of,
    route_of,
)
from tollbook.client.integrations.ledger import may_bill


@pytest.mark.parametrize(
    ("method", "url", "route"),
    [
        ("post", "/chat/completions", CHAT),
        ("POST", "/deployments/mine/chat/completions?api-version=1", CHAT),
        ("post", "/responses", RESPONSES),
        ("post", "/responses/compact", COMPACT),
        ("post", "/embeddings", EMBEDDINGS),
        ("post", "/v1/messages?beta=true", MESSAGES),
        ("post", "/v1/messages/count_tokens", None),
        ("post", "/v1/messages/batches", None),
        ("get", "/chat/completions", None),
        ("post", "/responses/resp_1/cancel", None),
        ("post", "/files", None),
    ],
)
def test_only_what_is_billed_has_a_route(method: str, url: str, route: Route | None) -> None:
    assert route_of(method, url) is route


@pytest.mark.parametrize(
    ("route", "body", "most"),
    [
        (CHAT, {}, None),
        (CHAT, {"max_tokens": 9}, 9),
        (CHAT, {"max_tokens": 9, "max_completion_tokens": 7}, 7),
        (RESPONSES, {"max_output_tokens": 9}, 9),
        (EMBEDDINGS, {}, 0),
    ],
)
def test_the_least_limit_of_the_output_counts(route: Route, body: dict[str, Any], most: int | None) -> None:
    asked = asked_of(route, {"model": "m", **body}, None)
    assert asked is not None
    assert asked.max_output_tokens == most


def test_a_body_without_a_model_is_nobodys() -> None:
    assert asked_of(CHAT, {"messages": []}, None) is None


@pytest.mark.parametrize(
    ("body", "granted", "sent"),
    [
        ({}, 5, {"max_completion_tokens": 5}),
        ({}, None, {}),
        ({"max_tokens": 9}, 5, {"max_tokens": 5}),
        ({"max_tokens": 3}, 5, {"max_tokens": 3}),
    ],
)
def test_no_more_is_asked_for_than_granted(body: dict[str, Any], granted: int | None, sent: dict[str, Any]) -> None:
    given = {"model": "m", **body}
    kept = dict(given)
    assert granted_body(CHAT, given, model="m", granted=granted) == {"model": "m", **sent}
    assert given == kept


def test_the_model_of_the_gate_is_asked_for() -> None:
    assert granted_body(CHAT, {"model": "m"}, model="n", granted=None) == {"model": "n"}


def test_an_attached_file_does_not_count_by_its_length() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000_000}}
    assert 1_600 < input_tokens_of({"messages": [{"content": [image]}]}) < 1_700
    assert input_tokens_of({"content": "word " * 1_000}) > 1_600


class _Status(Exception):
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


class ReadTimeout(Exception):
    """Named as httpx names it."""


class ConnectTimeout(Exception):
    """Named as httpx names it."""


class APITimeoutError(Exception):
    """Named as the SDKs name it."""


@pytest.mark.parametrize(
    ("cause", "bills"), [(ReadTimeout(), True), (ConnectTimeout(), False), (_Status(500), False), (None, False)]
)
def test_a_time_out_bills_where_the_request_was_sent(cause: Exception | None, bills: bool) -> None:
    error = APITimeoutError()
    error.__cause__ = cause
    assert may_bill(error) is bills


def test_an_answer_of_the_provider_tells_that_nothing_is_billed() -> None:
    assert not may_bill(_Status(429))
    assert may_bill(KeyboardInterrupt())


def test_what_a_request_asks_beside_its_tier_is_its_context() -> None:
    body = {"model": "m", "inference_geo": "us", "speed": "fast", "service_tier": "auto", "messages": []}
    asked = asked_of(MESSAGES, body, "anthropic")
    assert asked is not None
    assert (asked.context, asked.service_tier) == ({"inference_geo": "us", "speed": "fast"}, "auto")
    plain = asked_of(MESSAGES, {"model": "m", "speed": 3, "inference_geo": ""}, "anthropic")
    assert plain is not None
    assert plain.context is None
