"""Listens to an HTTP response while its reader reads it: every byte goes on, a copy is read for its usage.

A response of httpx or httpx2 is read through its `iter_bytes` or `aiter_bytes`, by the SDKs' streams as by the
caller's own loops; these and `close` are what a tap stands in for, on the one response and until it ends. It ends
once: with the last byte, with the reader's closing, or when the reader is thrown away.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec

from tollbook.client.integrations.ledger import AsyncEnding, AsyncHeld, Ending, Held, ended_stream
from tollbook.client.integrations.shield import shielded
from tollbook.usage import StreamReader
from tollbook.usage.sse import Frames, payload

_PATCHED = ("iter_bytes", "aiter_bytes", "close", "aclose")


class Listener:
    """Reads the copy of a body: server-sent events, or one JSON document.

    `hide_usage` takes the chunk out of a chat stream that only states the usage, which the caller did not ask for.
    """

    __slots__ = ("_body", "_frames", "_hide_usage", "reader")

    def __init__(self, *, events: bool, hide_usage: bool = False) -> None:
        self.reader = StreamReader()
        self._frames = Frames() if events else None
        self._body: list[bytes] = []
        self._hide_usage = hide_usage

    def hear(self, chunk: bytes) -> bytes:
        """Read a piece of the body; what the caller is to get of it comes back."""
        shown = chunk
        with shielded("reading a stream"):
            if self._frames is None:
                self._body.append(chunk)
            elif self._hide_usage:
                shown = b"".join([frame for frame in self._frames.feed(chunk) if self._event(frame)])
            else:
                for frame in self._frames.feed(chunk):
                    self._event(frame)
        return shown

    def rest(self) -> bytes:
        """What is held back when the body ends in the middle of an event."""
        return self._frames.rest if self._hide_usage and self._frames is not None else b""

    def finish(self) -> None:
        """The body has ended, wherever it is."""
        if self._frames is None and self._body:
            with shielded("reading a body"):
                self._decode(b"".join(self._body))
        self._body = []

    def _event(self, frame: bytes) -> bool:
        """Read one event; whether the caller is to get it."""
        data = payload(frame)
        if not data.startswith(b"{"):
            return True
        event = self._decode(data)
        return not (self._hide_usage and isinstance(event, dict) and event.get("choices") == [] and event.get("usage"))

    def _decode(self, data: bytes) -> object:
        try:
            event = msgspec.json.decode(data)
        except msgspec.DecodeError:
            return None
        self.reader.feed(event)
        return event


def is_events(response: Any) -> bool:
    """Whether the response is a stream of server-sent events."""
    return "text/event-stream" in response.headers.get("content-type", "")


def tap(response: Any, listener: Listener, held: Held) -> None:
    """Listen to a synchronous response that is not read yet, and settle the call when it ends."""
    original, close = response.iter_bytes, response.close
    running = False

    def finish(error: BaseException | None = None) -> None:
        if _untap(response):
            listener.finish()
            held.end(ended_stream(listener.reader, held.asked), error)

    def iter_bytes(chunk_size: int | None = None) -> Iterator[bytes]:
        nonlocal running
        chunks = original(chunk_size)
        with Ending(finish):
            while True:
                running = True
                try:
                    chunk = next(chunks, None)
                finally:
                    running = False
                if chunk is None:
                    break
                held.check()
                shown = listener.hear(chunk)
                if shown:
                    yield shown
            if rest := listener.rest():
                yield rest

    def closing() -> None:
        close()
        # A body that is read to its end closes itself before its last piece has come out.
        if not running:
            finish()

    response.iter_bytes, response.close = iter_bytes, closing


def tap_async(response: Any, listener: Listener, held: AsyncHeld) -> None:
    """Listen to an asynchronous response that is not read yet, and settle the call when it ends."""
    original, close = response.aiter_bytes, response.aclose
    running = False

    async def finish(error: BaseException | None = None) -> None:
        if _untap(response):
            listener.finish()
            await held.end(ended_stream(listener.reader, held.asked), error)

    async def aiter_bytes(chunk_size: int | None = None) -> AsyncIterator[bytes]:
        nonlocal running
        chunks = original(chunk_size)
        async with AsyncEnding(finish):
            while True:
                running = True
                try:
                    chunk = await anext(chunks, None)
                finally:
                    running = False
                if chunk is None:
                    break
                held.check()
                shown = listener.hear(chunk)
                if shown:
                    yield shown
            if rest := listener.rest():
                yield rest

    async def closing() -> None:
        await close()
        if not running:
            await finish()

    response.aiter_bytes, response.aclose = aiter_bytes, closing


def _untap(response: Any) -> bool:
    """Take the tap off, so that the response refers to nothing of it; False where that was done before."""
    found = [vars(response).pop(name, None) for name in _PATCHED]
    return any(one is not None for one in found)
