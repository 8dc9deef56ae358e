"""Wraps the clients of openai and anthropic, and of every SDK that is generated like them.

All their methods (create, parse, stream, raw responses, tool runners) end in the client's own public `request`,
which also keeps its retries to itself; so that is the one method a wrapped client has another of. What a client
is copied into by `with_options` is wrapped too.
"""

from collections.abc import Callable
from typing import Any

from tollbook.client.integrations.asking import Asked, asked_of, granted_body, route_of
from tollbook.client.integrations.ledger import AsyncEnding, AsyncHeld, AsyncLedger, Ending, Held, Ledger
from tollbook.client.integrations.shield import shielded
from tollbook.client.integrations.taps import Listener, is_events, tap, tap_async
from tollbook.usage import read
from tollbook.usage.fields import is_model

_MARK = "_tollbook_wrapped"

_PROVIDERS = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "openrouter.ai": "openrouter",
    "api.x.ai": "x-ai",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.mistral.ai": "mistral",
    "api.together.xyz": "together",
    "api.fireworks.ai": "fireworks",
    "api.moonshot.ai": "moonshotai",
    "api.perplexity.ai": "perplexity",
    "generativelanguage.googleapis.com": "google",
}
_PROVIDERS_OF_CLASSES = {"Azure": "azure", "Bedrock": "aws", "Vertex": "google", "Foundry": "azure"}


def provider_of(client: Any) -> str | None:
    """Who bills the client's calls, None for a host that is nobody's known one."""
    name = type(client).__name__
    for part, provider in _PROVIDERS_OF_CLASSES.items():
        if part in name:
            return provider
    host = getattr(getattr(client, "base_url", None), "host", None)
    return _PROVIDERS.get(host) if isinstance(host, str) else None


class _Prepared:
    """A request of a billed route, read and not yet held."""

    __slots__ = ("_body", "_extra", "asked", "hides_usage", "options")

    def __init__(self, options: Any, asked: Asked, body: dict[str, Any], extra: dict[str, Any]) -> None:
        self.options = options
        self.asked = asked
        self.hides_usage = False
        self._body = body
        self._extra = extra

    @classmethod
    def of(cls, client: Any, options: Any) -> "_Prepared | None":
        """The request, or None where no provider bills it or its body is not known."""
        with shielded("reading a request"):
            route = route_of(options.method, options.url)
            body = options.json_data
            if route is None or not isinstance(body, dict):
                return None
            extra = dict(options.extra_json or {})
            asked = asked_of(route, {**body, **extra}, provider_of(client))
            return None if asked is None else cls(options, asked, body, extra)
        return None

    def grant(self, model: str, granted: int | None, *, stream: bool) -> None:
        """Write what was granted into the request, and ask a chat stream for its usage."""
        with shielded("writing a request"):
            body = granted_body(self.asked.route, {**self._body, **self._extra}, model=model, granted=granted)
            if stream and self.asked.route.usage_on_request:
                wanted = body.get("stream_options") or {}
                self.hides_usage = not wanted.get("include_usage")
                body = {**body, "stream_options": {**wanted, "include_usage": True}}
            self.options.json_data = body

    def listener(self, response: Any) -> Listener:
        """A listener for the body of this request's response."""
        return Listener(events=is_events(response), hide_usage=self.hides_usage)


def _http_response(result: Any) -> Any:
    """The HTTP response within a stream or a raw response; None for an answer that is already read and parsed."""
    if is_model(result):
        return None
    for name in ("http_response", "response"):
        found = getattr(result, name, None)
        if found is not None and hasattr(found, "iter_bytes"):
            return found
    return result if hasattr(result, "iter_bytes") and hasattr(result, "is_stream_consumed") else None


def _read_now(result: Any, response: Any) -> Any:
    """The usage of an answer that has come whole."""
    if response is None:
        return read(result)
    listener = Listener(events=is_events(response))
    listener.hear(response.content)
    listener.finish()
    return listener.reader.read()


def wrap_sync(client: Any, ledger: Ledger) -> None:
    """Have a synchronous client hold and settle. Wrapping twice does nothing more."""
    if hasattr(client, _MARK):
        return
    original = client.request

    def request(cast_to: Any, options: Any, *args: Any, **named: Any) -> Any:
        prepared = _Prepared.of(client, options)
        held = None if prepared is None else Held.begin(ledger, prepared.asked)
        if prepared is None or held is None:
            return original(cast_to, options, *args, **named)
        prepared.grant(held.model, held.granted, stream=bool(named.get("stream")))
        with Ending(held.fail):
            result = original(cast_to, options, *args, **named)
        with shielded("listening to an answer"):
            response = _http_response(result)
            if response is None or response.is_stream_consumed or response.is_closed:
                held.end(_read_now(result, response))
            else:
                listener = prepared.listener(response)
                tap(response, listener, held)
        return result

    client.request = request
    _wrap_copies(client, lambda copy: wrap_sync(copy, ledger))


def wrap_async(client: Any, ledger: AsyncLedger) -> None:
    """Have an asynchronous client hold and settle. Wrapping twice does nothing more."""
    if hasattr(client, _MARK):
        return
    original = client.request

    async def request(cast_to: Any, options: Any, *args: Any, **named: Any) -> Any:
        prepared = _Prepared.of(client, options)
        held = None if prepared is None else await AsyncHeld.begin(ledger, prepared.asked)
        if prepared is None or held is None:
            return await original(cast_to, options, *args, **named)
        prepared.grant(held.model, held.granted, stream=bool(named.get("stream")))
        async with AsyncEnding(held.fail):
            result = await original(cast_to, options, *args, **named)
        with shielded("listening to an answer"):
            response = _http_response(result)
            if response is None or response.is_stream_consumed or response.is_closed:
                await held.end(_read_now(result, response))
            else:
                listener = prepared.listener(response)
                held.detach()
                tap_async(response, listener, held)
        return result

    client.request = request
    _wrap_copies(client, lambda copy: wrap_async(copy, ledger))


def _wrap_copies(client: Any, wrap: Callable[[Any], None]) -> None:
    original = client.copy

    def copy(*args: Any, **named: Any) -> Any:
        made = original(*args, **named)
        wrap(made)
        return made

    client.copy = client.with_options = copy
    setattr(client, _MARK, True)
