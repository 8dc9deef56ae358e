"""What stands between the server and Litestar's router: HEAD, and names that hold a slash."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

SLASH_INSIDE = "\x1f"
"""A slash inside one segment of a path, on its way to the handler; no name may hold this character."""

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]


def with_heads_and_slashes(app: App) -> App:
    """Answer HEAD as GET without the body, and keep `%2F` inside the segment it stands in.

    Tenants and runs may be called `org/team`. A server hands the path over decoded, where such a slash looks like a
    separator; the raw path tells.
    """

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        raw: bytes = (scope.get("raw_path") or b"").partition(b"?")[0]
        if b"%2f" in raw.lower():
            segments = raw.decode("latin-1").split("/")
            scope = {**scope, "path": "/".join(unquote(segment).replace("/", SLASH_INSIDE) for segment in segments)}
        if scope["method"] != "HEAD":
            await app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await app({**scope, "method": "GET"}, receive, send_head)

    return run
