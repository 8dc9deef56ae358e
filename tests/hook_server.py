"""A hook's server, as somebody else runs it: it keeps what came, verifies it, and answers as told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook

from tollbook.embedded.process import wait_until

PATIENCE_S = 60.0


@dataclass
class Came:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def alert_id(self) -> str:
        """The id that stays the same at every attempt."""
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """The body, where its signature is right; raises where it is not."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """What came, and how the next requests are answered: (status, headers) each, then 204."""

    url: str = ""
    came: list[Came] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def of_kind(self, kind: str, secret: str) -> list[Any]:
        """The verified bodies of a kind."""
        bodies = [came.verified(secret) for came in list(self.came)]
        return [body for body in bodies if body["type"] == kind]

    def await_count(self, count: int) -> None:
        """Wait until so many requests came."""
        assert wait_until(lambda: len(self.came) >= count, deadline_seconds=PATIENCE_S, every_seconds=0.02)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A server on the loopback, stopped at the end; it answers at once unless its gate is closed."""
    state = Receiver()
    state.gate.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            state.came.append(Came(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            state.gate.wait(PATIENCE_S)
            status, headers = state.answers.pop(0) if state.answers else (204, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        # The default of five is less than a deliverer sends at once: a busy machine would refuse the rest.
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield state
    finally:
        state.gate.set()
        server.shutdown()
        server.server_close()
