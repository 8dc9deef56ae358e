"""What stands before every route: a refusal reaches a sender that is still sending."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_SWALLOWED_BYTES_MAX = 16 * 1024 * 1024
"""Past this the connection is worth less than the reading: whoever sends more may see it cut."""


class Exchange:
    """One request and its answer. An answer given before the body was read waits until the body is in, unread.

    The server below closes a connection whose request it has not read to the end. A sender that had not sent all of it
    by then is told of a broken connection instead of the 401 that stands in the answer, and tries again for ever.
    """

    __slots__ = ("_complete", "_headers", "_receive", "_send")

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self._headers = scope["headers"]
        self._receive = receive
        self._send = send
        self._complete = False

    async def receive(self) -> Message:
        """The next part of the request."""
        message = await self._receive()
        self._complete = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """The next part of the answer."""
        if not self._complete:
            self._complete = True
            await self._swallow()
        await self._send(message)

    async def _swallow(self) -> None:
        left = 0
        for name, value in self._headers:
            if name == b"content-length" and value.isdigit():
                left = int(value) if int(value) <= _SWALLOWED_BYTES_MAX else 0
            elif name == b"transfer-encoding":
                left = _SWALLOWED_BYTES_MAX
        more = left > 0
        while more and left >= 0:
            message = await self._receive()
            left -= len(message.get("body", b""))
            more = message["type"] == "http.request" and message.get("more_body", False)
