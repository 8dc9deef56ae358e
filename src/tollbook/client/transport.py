"""HTTP, by httpx2: requests in, replies out. Loaded with the first request, because it costs a quarter of a second."""

import asyncio
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import httpx2

from tollbook.client.flows import Ask, Pause, Reply, Step

T = TypeVar("T")

_UNREACHED = (httpx2.TransportError, httpx2.InvalidURL, OSError)


class Transport:
    """Requests to one server from any thread. `timeout_s` bounds each wait of a request for the network."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout_s: float) -> None:
        self._http = httpx2.Client(base_url=url, headers=dict(headers), timeout=_patience(timeout_s))

    def send(self, ask: Ask, *, timeout_s: float | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """One request; a server that is not reached is a reply of status 0."""
        try:
            answer = self._http.request(
                ask.method,
                ask.path,
                content=ask.body,
                headers={**_headers(ask), **(headers or {})},
                timeout=httpx2.USE_CLIENT_DEFAULT if timeout_s is None else _patience(timeout_s),
            )
        except _UNREACHED as error:
            return _unreached(error)
        return _reply(answer)

    def drive(self, flow: Generator[Step, Reply | None, T]) -> T:
        """Carry a flow out to its end."""
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    step = flow.send(None)
                else:
                    step = flow.send(self.send(step))
        except StopIteration as done:
            outcome: T = done.value
            return outcome

    @contextmanager
    def events(self, path: str, silence_s: float) -> Iterator[Iterator[tuple[str, str]]]:
        """Server-sent events as (name, data); raises `ConnectionError` where none can be had or they fall silent."""
        try:
            with self._http.sse(path, timeout=httpx2.Timeout(5.0, read=silence_s)) as source:
                if source.response.status_code != 200:
                    source.response.read()
                    raise ConnectionError(f"the watch answers {source.response.status_code}")
                yield ((event.event, event.data) for event in source)
        except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL) as error:
            raise ConnectionError(str(error) or type(error).__name__) from error

    def close(self) -> None:
        """Let the connections go; a request on its way fails."""
        self._http.close()


class AsyncTransport:
    """Requests to one server from one event loop after another: each loop has connections of its own."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout_s: float) -> None:
        self._url = url
        self._headers = dict(headers)
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._clients: dict[asyncio.AbstractEventLoop, httpx2.AsyncClient] = {}

    async def send(self, ask: Ask) -> Reply:
        """One request; a server that is not reached is a reply of status 0."""
        try:
            answer = await self._client().request(ask.method, ask.path, content=ask.body, headers=_headers(ask))
        except _UNREACHED as error:
            return _unreached(error)
        return _reply(answer)

    async def drive(self, flow: Generator[Step, Reply | None, T]) -> T:
        """Carry a flow out to its end."""
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = flow.send(None)
                else:
                    step = flow.send(await self.send(step))
        except StopIteration as done:
            outcome: T = done.value
            return outcome

    async def close(self) -> None:
        """Close this loop's connections."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    def _client(self) -> httpx2.AsyncClient:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            with self._lock:
                # Connections of a loop that has ended cannot be used, nor closed.
                self._clients = {known: kept for known, kept in self._clients.items() if not known.is_closed()}
                client = self._clients[loop] = httpx2.AsyncClient(
                    base_url=self._url, headers=self._headers, timeout=_patience(self._timeout_s)
                )
        return client


def _patience(timeout_s: float) -> httpx2.Timeout:
    # Waiting for one's turn says nothing about the server: those before it are bounded themselves.
    return httpx2.Timeout(timeout_s, pool=None)


def _headers(ask: Ask) -> dict[str, str]:
    return {} if ask.body is None else {"content-type": "application/json"}


def _reply(answer: httpx2.Response) -> Reply:
    after = answer.headers.get("retry-after", "")
    return Reply(answer.status_code, answer.content, float(after) if after.isdigit() else None)


def _unreached(error: Exception) -> Reply:
    return Reply(0, (str(error) or type(error).__name__).encode())
