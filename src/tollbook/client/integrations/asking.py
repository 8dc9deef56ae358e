"""What a request asks of a provider: which model, how much output, about how much input; and how to grant less.

The routes and the names of their fields are those of openai 3.54 and anthropic 2.12, unchanged since their 1.0.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tollbook.domain.limits import IntakeLimits
from tollbook.usage import BYTES_PER_TOKEN
from tollbook.usage.outcome import fitting

_BOUND_BYTES_PER_TOKEN = 3
"""Dense code and Chinese have three bytes of UTF-8 a token, prose more."""

_TOKENS_PER_MESSAGE = 4
"""What OpenAI's own counting recipe adds for each message, in tokens; rounded up."""

# An image's bytes stand in the request as base64 and say nothing of its tokens; providers count 100 to 1,600.
_TOKENS_PER_BLOB = 1_600
_BLOB_CHARS_MIN = 2_000
_BLOB = re.compile(r"(?:data:[\w/+.-]+;base64,)?[A-Za-z0-9+/_-]{2000}")


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of request. `limits` are the names of the output limit, the one to grant by first.

    `usage_on_request` says that a stream states its usage only where `stream_options.include_usage` asks for it.
    """

    name: str
    limits: tuple[str, ...] = ()
    usage_on_request: bool = False


CHAT = Route(name="chat", limits=("max_completion_tokens", "max_tokens"), usage_on_request=True)
COMPLETIONS = Route(name="completions", limits=("max_tokens",), usage_on_request=True)
RESPONSES = Route(name="responses", limits=("max_output_tokens",))
COMPACT = Route(name="compact")
EMBEDDINGS = Route(name="embeddings")
MESSAGES = Route(name="messages", limits=("max_tokens",))

_ROUTES: tuple[tuple[str, Route], ...] = (
    ("/chat/completions", CHAT),
    ("/responses/compact", COMPACT),
    ("/responses", RESPONSES),
    ("/embeddings", EMBEDDINGS),
    ("/completions", COMPLETIONS),
    ("/v1/messages", MESSAGES),
)


_NAME_CHARS_MAX = IntakeLimits().name_chars_max
_CONTEXT = ("inference_geo", "speed")
"""Parameters of a request that its price depends on, by the price data's names, which are Anthropic's own."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the gate is asked about it, in tokens. `max_output_tokens` is None where the caller named none.

    `input_tokens` rather overstates, for a hold is an upper bound. `agent` is a path below the agent that runs.
    `gate` is the client's own unless named; `off` records a call that nobody can refuse any more.
    """

    route: Route
    model: str
    input_tokens: int
    max_output_tokens: int | None
    service_tier: str | None = None
    context: dict[str, str] | None = None
    provider: str | None = None
    agent: str | None = None
    gate: str | None = None

    @property
    def input_estimate(self) -> int:
        """The input as it most likely is."""
        return self.input_tokens * _BOUND_BYTES_PER_TOKEN // BYTES_PER_TOKEN


def route_of(method: str, url: str) -> Route | None:
    """The route of a request that a provider bills, None for every other.

    >>> route_of("post", "/v1/messages?beta=true") is MESSAGES, route_of("get", "/responses/resp_1")
    (True, None)
    """
    if method.lower() != "post":
        return None
    path = url.partition("?")[0].rstrip("/")
    for end, route in _ROUTES:
        if path.endswith(end):
            return route
    return None


def asked_of(route: Route, body: Mapping[str, Any], provider: str | None) -> Asked | None:
    """What the body asks, None where it names no model."""
    model = body.get("model")
    if not isinstance(model, str):
        return None
    named = [value for value in map(body.get, route.limits) if isinstance(value, int)]
    tier = body.get("service_tier")
    return Asked(
        route=route,
        model=model,
        input_tokens=input_tokens_of(body),
        max_output_tokens=min(named) if named else None if route.limits else 0,
        service_tier=tier if isinstance(tier, str) else None,
        context=fitting({name: body[name] for name in _CONTEXT if isinstance(body.get(name), str)}, _NAME_CHARS_MAX),
        provider=provider,
    )


def granted_body(route: Route, body: dict[str, Any], *, model: str, granted: int | None) -> dict[str, Any]:
    """The body with the model to call, and with the granted output limit where the caller named none or a larger one.

    Where nothing differs it is the same object.
    """
    if body.get("model") != model:
        body = {**body, "model": model}
    if granted is None or not route.limits:
        return body
    named = [name for name in route.limits if isinstance(body.get(name), int)]
    if not named:
        return {**body, route.limits[0]: granted}
    larger = {name: granted for name in named if body[name] > granted}
    return {**body, **larger} if larger else body


def input_tokens_of(body: object) -> int:
    """How many tokens the texts of a request hold at most, by rule of thumb: three bytes each, a few for each message.

    Names of fields count too: providers write tools and roles out as text. What looks like an attached file counts
    1,600 tokens, whatever its length.

    >>> input_tokens_of({"messages": [{"content": "twelve chars"}]})
    17
    """
    bytes_ = tokens = 0
    pending: list[Any] = [body]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            if len(value) > _BLOB_CHARS_MIN and _BLOB.match(value):
                tokens += _TOKENS_PER_BLOB
            else:
                bytes_ += len(value) if value.isascii() else len(value.encode("utf-8", "replace"))
        elif isinstance(value, Mapping):
            for name, inner in value.items():
                bytes_ += len(name) if isinstance(name, str) else 0
                pending.append(inner)
            tokens += _TOKENS_PER_MESSAGE
        elif isinstance(value, (list, tuple)):
            pending.extend(value)
    return tokens - -bytes_ // _BOUND_BYTES_PER_TOKEN
