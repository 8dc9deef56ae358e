"""What the bare ASGI routes share: reading a body within its bound, and answering."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from tollbook.domain.errors import RejectCode, RequestError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = b"application/json"
READ = "tollbook.read"
"""Set in the scope once the whole body is in."""


class Disconnected(Exception):  # noqa: N818 - the sender is gone: there is nobody to answer
    """The sender went away before its body was complete."""


async def read_body(scope: Scope, headers: dict[bytes, bytes], receive: Receive, *, bytes_max: int) -> bytes:
    """The whole body. Raises `RequestError` (413) past the bound, `Disconnected` where it does not come to an end."""
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > bytes_max:
        raise RequestError(RejectCode.BODY_TOO_LARGE, f"a body has {bytes_max} bytes at most", status=413)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > bytes_max:
            raise RequestError(RejectCode.BODY_TOO_LARGE, f"a body has {bytes_max} bytes at most", status=413)
        chunks.append(chunk)
        if not message.get("more_body", False):
            scope[READ] = True
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def text_of(headers: dict[bytes, bytes], name: bytes) -> str | None:
    """A header as text."""
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


async def answer(
    send: Send, status: int, media_type: bytes, body: bytes, headers: Mapping[bytes, bytes] | None = None
) -> None:
    """Send one whole answer."""
    fixed = [(b"content-type", media_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *(headers or {}).items()]})
    await send({"type": "http.response.body", "body": body})
