"""What a receiver could do at the least, as processes: read the body, answer 202 with the same small JSON.

`route` is a handler in the framework that the rest of the API is built with, `function` a bare ASGI callable. Both run
on the server that tollbook runs on, with its settings: `python -m bench.bare route 8788 1`.
"""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from litestar import Litestar, Request, post

from tollbook.app.config import Settings
from tollbook.app.roles import serve_http
from tollbook.app.up import free_port
from tollbook.domain.errors import StoreError
from tollbook.embedded.process import wait_until

_HOST = "127.0.0.1"
_ROOT = Path(__file__).parents[1]
_ANSWER = b'{"accepted":1,"rejected":[]}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"28")]


async def function(
    scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Callable[..., Awaitable[None]]
) -> None:
    """Take one request."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body", False):
        pass
    await send({"type": "http.response.start", "status": 202, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _ANSWER})


@post("/v1/events", status_code=202)
async def _take(request: Request[Any, Any, Any]) -> dict[str, Any]:
    await request.body()
    return {"accepted": 1, "rejected": []}


route = Litestar([_take], openapi_config=None, logging_config=None)


@contextlib.contextmanager
def bare_server(application: str, workers: int) -> Iterator[int]:
    """One of the two behind the server that tollbook runs behind; its port."""
    port = free_port(_HOST)
    process = subprocess.Popen([sys.executable, "-m", "bench.bare", application, str(port), str(workers)], cwd=_ROOT)
    try:
        if not wait_until(lambda: _listens(port), deadline_seconds=30):
            raise StoreError("the bare server does not come up")
        yield port
    finally:
        process.terminate()
        process.wait(15)


def _listens(port: int) -> bool:
    try:
        socket.create_connection((_HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def main() -> None:
    """Serve until a signal."""
    application, port, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    serve_http(f"bench.bare:{application}", Settings(host=_HOST, port=port, workers=workers), factory=False)


if __name__ == "__main__":
    main()
