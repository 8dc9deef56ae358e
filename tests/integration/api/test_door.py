"""A sender that never comes to the point: uvicorn alone would keep its connection and all it wrote."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from tollbook.app.door import Door

PATIENCE_S = 30.0
REQUEST = b"GET / HTTP/1.1\r\nhost: here\r\n"


async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Impatient(Door):
    head_s_max = 0.2


@contextlib.asynccontextmanager
async def served(door: type[Door]) -> AsyncIterator[tuple[int, uvicorn.Server]]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(answer, http=door, ws="none", lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        try:
            yield listener.getsockname()[1], server
        finally:
            await server.shutdown(sockets=[listener])


@pytest.mark.parametrize("written", [b"", b"GET", REQUEST, REQUEST + b"x-long: "])
def test_a_request_that_never_begins_is_cut(written: bytes) -> None:
    """Also the one after an ordinary request on the same connection."""

    async def run() -> None:
        async with served(Impatient) as (port, _), asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            if written:
                writer.write(REQUEST + b"\r\n")
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
            writer.write(written)
            assert await reader.read() == b""
            writer.close()

    asyncio.run(run())


def test_an_endless_head_is_refused() -> None:
    async def run() -> None:
        async with served(Door) as (port, _), asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(REQUEST + b"x-long: ")
            with contextlib.suppress(ConnectionError):
                for _ in range(Door.head_bytes_max // 1_000 + 2):
                    writer.write(b"y" * 1_000)
                    await writer.drain()
            assert (await reader.readline()).startswith(b"HTTP/1.1 400")
            writer.close()

    asyncio.run(run())


def test_no_bound_is_left_on_a_request_whose_head_is_whole() -> None:
    """A body may take its time."""

    async def run() -> None:
        async with served(Door) as (port, server), asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(3):
                writer.write(REQUEST + b"content-length: 4\r\nexpect: 100-continue\r\n\r\n")
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
                (door,) = server.server_state.connections
                assert door._head_due is None
                writer.write(b"body")
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
            writer.close()

    asyncio.run(run())
