"""A TCP proxy that treats its connections badly: it cuts them, or leaves them open and passes nothing on."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from random import Random

HOST = "127.0.0.1"
_CHUNK_BYTES = 16_384


class _Link:
    """One client's connection and the one to the server behind it."""

    def __init__(self, *writers: asyncio.StreamWriter) -> None:
        self.writers = writers
        self.stalled = False

    def cut(self) -> None:
        """Reset both ends; what is on its way is lost."""
        for writer in self.writers:
            writer.transport.abort()


class Proxy:
    """Listens on a port of its own and passes on to `port`, on a thread and an event loop of its own."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.cuts = 0
        self.stalls = 0
        self._target = port
        self._links: set[_Link] = set()
        self._served: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()

    @contextlib.contextmanager
    def running(self) -> Iterator["Proxy"]:
        """The proxy listens inside."""
        thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        thread.start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._pass_on, HOST, 0), self._loop).result()
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._close(server), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def harm(self, random: Random) -> None:
        """Cut one connection, or stall one in five; nothing where there is none."""
        self._loop.call_soon_threadsafe(self._harm, random)

    def _harm(self, random: Random) -> None:
        links = [link for link in self._links if not link.stalled]
        if not links:
            return
        link = random.choice(links)
        if random.random() < 0.2:
            link.stalled = True
            self.stalls += 1
        else:
            link.cut()
            self.cuts += 1

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self._target)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, far_writer)
        self._links.add(link)
        serving = asyncio.current_task()
        assert serving is not None
        self._served.add(serving)
        serving.add_done_callback(self._served.discard)
        try:
            await asyncio.wait(
                {
                    asyncio.create_task(self._pump(link, reader, far_writer)),
                    asyncio.create_task(self._pump(link, far_reader, writer)),
                }
            )
        finally:
            self._links.discard(link)

    async def _pump(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                if link.stalled:
                    continue
                writer.write(chunk)
                await writer.drain()
        link.cut()

    async def _close(self, server: asyncio.Server) -> None:
        server.close()
        for link in list(self._links):
            link.cut()
        if self._served:
            await asyncio.wait(self._served)
