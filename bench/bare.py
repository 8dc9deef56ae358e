"""The least a receiver could do, as a process: read the body, answer 202 with the same small JSON."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from granian import Granian
from granian.constants import Interfaces, Loops
from granian.log import LogLevels

from tollbook.app.up import free_port
from tollbook.domain.errors import StoreError
from tollbook.embedded.process import wait_until

_HOST = "127.0.0.1"
_ROOT = Path(__file__).parents[1]
_ANSWER = b'{"accepted":1,"rejected":[]}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"28")]


async def answer(
    scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Callable[..., Awaitable[None]]
) -> None:
    """Take one request."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body", False):
        pass
    await send({"type": "http.response.start", "status": 202, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _ANSWER})


@contextlib.contextmanager
def bare_server(workers: int) -> Iterator[int]:
    """The handler behind the server that tollbook runs behind; its port."""
    port = free_port(_HOST)
    process = subprocess.Popen([sys.executable, "-m", "bench.bare", str(port), str(workers)], cwd=_ROOT)
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
    """Serve until a signal, with the settings of `app/roles.py`."""
    port, workers = (int(argument) for argument in sys.argv[1:3])
    Granian(
        "bench.bare:answer",
        address=_HOST,
        port=port,
        interface=Interfaces.ASGI,
        workers=workers,
        loop=Loops.uvloop,
        log_level=LogLevels.warning,
        backlog=2_048,
        respawn_failed_workers=True,
        websockets=False,
    ).serve()


if __name__ == "__main__":
    main()
