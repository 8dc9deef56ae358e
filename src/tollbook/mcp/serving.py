"""The server on its two transports: a pipe to one client, or HTTP for many, each under its own key."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio
import httpx2
import uvicorn
from mcp.server.mcpserver.exceptions import ToolError
from starlette.responses import JSONResponse

from tollbook.mcp.connection import ask, connect
from tollbook.mcp.server import Ctx, build
from tollbook.ports.clock import Clock

PATH = "/mcp"
_BODY_BYTES_MAX = 256 * 1024

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def serve_stdio(url: str, key: str, clock: Clock, *, version: str) -> None:
    """Serve one client on standard input and output, under one key, until it hangs up."""

    async def served() -> None:
        async with connect(url) as http:
            await build(http, lambda _: key, clock, version=version).run_stdio_async()

    anyio.run(served)


def serve_http(url: str, host: str, port: int, clock: Clock, *, version: str, protocol: type[asyncio.Protocol]) -> None:
    """Serve streamable HTTP at `/mcp` until a signal stops it; a caller's key is its `Authorization: Bearer`."""
    http = connect(url)
    uvicorn.run(
        application(http, host, clock, version=version),
        host=host,
        port=port,
        http=protocol,
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )


def application(http: httpx2.AsyncClient, host: str, clock: Clock, *, version: str) -> App:
    """The ASGI application. It keeps no session: each request stands for itself, under the key that it bears."""
    server = build(http, _bearer_of, clock, version=version)
    inner = server.streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        max_request_body_size=_BODY_BYTES_MAX,
        host=host,
    )
    return KeyRequired(inner, http)


class KeyRequired:
    """Lets requests through whose key the API knows: 401 for others before anything of MCP is answered."""

    def __init__(self, inner: App, http: httpx2.AsyncClient) -> None:
        self._inner = inner
        self._http = http

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            refusal = await self._refusal(_bearer(_authorization(scope)))
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self._inner(scope, receive, send)

    async def _refusal(self, key: str | None) -> JSONResponse | None:
        if key is None:
            return _unauthorized("send a key as `Authorization: Bearer <key>`")
        try:
            answer = await ask(self._http, key, "GET", "/v1/key")
        except ToolError as unreached:
            return JSONResponse({"code": "unreachable", "detail": str(unreached)}, 503, {"retry-after": "1"})
        if answer.status_code == 401:
            return _unauthorized("this key is unknown or revoked")
        if not answer.is_success:
            return JSONResponse(
                {"code": "starting", "detail": "keys cannot be looked up yet"}, 503, {"retry-after": "1"}
            )
        return None


def _unauthorized(detail: str) -> JSONResponse:
    return JSONResponse(
        {"code": "unauthorized", "detail": detail}, 401, {"www-authenticate": 'Bearer realm="tollbook"'}
    )


def _bearer_of(context: Ctx) -> str:
    headers = context.headers
    key = None if headers is None else _bearer(headers.get("authorization", ""))
    if key is None:
        raise ToolError("unauthorized: send a key as `Authorization: Bearer <key>`.")
    return key


def _authorization(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return str(value.decode("latin-1"))
    return ""


def _bearer(authorization: str) -> str | None:
    scheme, _, key = authorization.partition(" ")
    key = key.strip()
    return key if scheme.lower() == "bearer" and key.isascii() and key.isprintable() and key else None
