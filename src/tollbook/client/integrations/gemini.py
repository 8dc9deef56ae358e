"""Wraps the client of google-genai, synchronous (`client.models`, `client.chats`) and asynchronous (`client.aio`).

All its services send through one object, whose four methods `request`, `request_streamed` and their asynchronous
twins carry plain dicts out and JSON texts back; also every turn of its automatic function calling, each of which
the provider bills. Unchanged from google-genai 1.0 to 3.4, though not public: a test tells when it moves.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import msgspec

from tollbook.client.integrations.asking import Asked, Route, input_tokens_of
from tollbook.client.integrations.ledger import AsyncEnding, AsyncHeld, AsyncLedger, Ending, Held, Ledger, ended_stream
from tollbook.client.integrations.shield import shielded
from tollbook.usage import StreamReader, UsageRead, read

GENERATE = Route(name="generate_content", limits=("maxOutputTokens",))
EMBED = Route(name="embed_content")
_ROUTES = {
    "generateContent": GENERATE,
    "streamGenerateContent": GENERATE,
    "embedContent": EMBED,
    "batchEmbedContents": EMBED,
}
_MARK = "_tollbook_wrapped"


def _asked(method: str, path: str, body: object) -> Asked | None:
    with shielded("reading a request"):
        resource, _, verb = path.partition("?")[0].rpartition(":")
        route = _ROUTES.get(verb)
        if route is None or method.lower() != "post" or not isinstance(body, Mapping):
            return None
        config = body.get("generationConfig")
        named = config.get("maxOutputTokens") if isinstance(config, Mapping) else None
        return Asked(
            route=route,
            model=resource.rpartition("/")[2],
            input_tokens=input_tokens_of({name: body[name] for name in body if not name.startswith("_")}),
            max_output_tokens=(named if isinstance(named, int) else None) if route.limits else 0,
            provider="google",
        )
    return None


def _granted(held: Held | AsyncHeld, path: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The path with the model to call, and the body with the output that was granted."""
    asked, granted = held.asked, held.granted
    if held.model != asked.model:
        path = path.replace(f"{asked.model}:", f"{held.model}:", 1)
    if granted is None or not asked.route.limits:
        return path, body
    if asked.max_output_tokens is not None and asked.max_output_tokens <= granted:
        return path, body
    config = {**(body.get("generationConfig") or {}), "maxOutputTokens": granted}
    return path, {**body, "generationConfig": config}


def _read(answer: Any) -> UsageRead | None:
    with shielded("reading an answer"):
        return read(msgspec.json.decode(answer.body or "null"))
    return None


def _hear(reader: StreamReader, chunk: Any) -> None:
    with shielded("reading a stream"):
        reader.feed(msgspec.json.decode(chunk.body or "{}"))


class _Sync:
    """The two methods for a synchronous ledger."""

    def __init__(self, transport: Any, ledger: Ledger) -> None:
        self._request = transport.request
        self._request_streamed = transport.request_streamed
        self._ledger = ledger

    def request(self, http_method: str, path: str, request_dict: Any, http_options: Any = None) -> Any:
        """One answer."""
        asked = _asked(http_method, path, request_dict)
        held = None if asked is None else Held.begin(self._ledger, asked)
        if asked is None or held is None:
            return self._request(http_method, path, request_dict, http_options)
        with Ending(held.fail):
            answer = self._request(http_method, *_granted(held, path, request_dict), http_options)
        held.end(_read(answer))
        return answer

    def request_streamed(
        self, http_method: str, path: str, request_dict: Any, http_options: Any = None
    ) -> Iterator[Any]:
        """An answer in chunks. Begins with its first chunk, as the SDK's own does."""
        asked = _asked(http_method, path, request_dict)
        held = None if asked is None else Held.begin(self._ledger, asked)
        if asked is None or held is None:
            yield from self._request_streamed(http_method, path, request_dict, http_options)
            return
        reader = StreamReader()
        begun = False

        def end(error: BaseException | None) -> None:
            if error is None or begun:
                held.end(ended_stream(reader, asked), error)
            else:
                held.fail(error)

        with Ending(end):
            for chunk in self._request_streamed(http_method, *_granted(held, path, request_dict), http_options):
                begun = True
                held.check()
                _hear(reader, chunk)
                yield chunk


class _Async:
    """The two methods for an asynchronous ledger."""

    def __init__(self, transport: Any, ledger: AsyncLedger) -> None:
        self._request = transport.async_request
        self._request_streamed = transport.async_request_streamed
        self._ledger = ledger

    async def request(self, http_method: str, path: str, request_dict: Any, http_options: Any = None) -> Any:
        """One answer."""
        asked = _asked(http_method, path, request_dict)
        held = None if asked is None else await AsyncHeld.begin(self._ledger, asked)
        if asked is None or held is None:
            return await self._request(http_method, path, request_dict, http_options)
        async with AsyncEnding(held.fail):
            answer = await self._request(http_method, *_granted(held, path, request_dict), http_options)
        await held.end(_read(answer))
        return answer

    async def request_streamed(self, http_method: str, path: str, request_dict: Any, http_options: Any = None) -> Any:
        """An answer in chunks, which the SDK sends for before it hands the chunks out."""
        asked = _asked(http_method, path, request_dict)
        held = None if asked is None else await AsyncHeld.begin(self._ledger, asked)
        if asked is None or held is None:
            return await self._request_streamed(http_method, path, request_dict, http_options)
        async with AsyncEnding(held.fail):
            chunks = await self._request_streamed(http_method, *_granted(held, path, request_dict), http_options)
        held.detach()
        return _Chunks(chunks, held)


class _Chunks:
    """The chunks of an asynchronous answer."""

    def __init__(self, chunks: Any, held: AsyncHeld) -> None:
        self._chunks = chunks
        self._held = held

    async def __aiter__(self) -> AsyncIterator[Any]:
        held, reader = self._held, StreamReader()

        async def end(error: BaseException | None) -> None:
            await held.end(ended_stream(reader, held.asked), error)

        async with AsyncEnding(end):
            async for chunk in self._chunks:
                held.check()
                _hear(reader, chunk)
                yield chunk


def wrap_gemini(client: Any, ledger: Ledger | None, async_ledger: AsyncLedger | None) -> None:
    """Have a google-genai client hold and settle, each side with its own ledger. Twice does nothing more."""
    transport = client._api_client
    if hasattr(transport, _MARK):
        return
    if ledger is not None:
        sync = _Sync(transport, ledger)
        transport.request, transport.request_streamed = sync.request, sync.request_streamed
    if async_ledger is not None:
        both = _Async(transport, async_ledger)
        transport.async_request, transport.async_request_streamed = both.request, both.request_streamed
    setattr(transport, _MARK, True)
