"""A provider on the loopback that speaks the wire formats of three, and counts what it served.

`POST /v1/chat/completions`, `/v1/responses`, `/v1/embeddings`, `/v1/messages`, `/v1/models/<model>:generateContent`
and `:streamGenerateContent`. The counts are its own and differ for every answer.
"""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any, ClassVar

import msgspec

from tests.integration.client.providers import anthropic_wire, gemini_wire, openai_wire
from tests.integration.client.providers.served import Book, Served, Turn
from tollbook.domain.usage import Usage


class Provider:
    """A running fake provider."""

    def __init__(self, port: int, book: Book) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.book = book


@contextmanager
def running_provider() -> Iterator[Provider]:
    """Serve until the block ends."""
    book = Book()
    handler = type("Handler", (_Handler,), {"book": book})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Provider(server.server_port, book)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    book: ClassVar[Book]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65_536

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def finish(self) -> None:
        with suppress(ConnectionError):
            super().finish()

    def do_GET(self) -> None:
        self._json(openai_wire.error(404), 404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or b"{}")
        path = self.path.partition("?")[0]
        agent, turn = self.book.next_turn(body)
        if turn.status != 200:
            self.book.refused.append(turn.status)
            self._json(self._wire(path).error(turn.status), turn.status)
            return
        with suppress(ConnectionError):
            self._answer(path, body, agent, turn)

    @staticmethod
    def _wire(path: str) -> ModuleType:
        if ":" in path:
            return gemini_wire
        return anthropic_wire if path.endswith("/messages") else openai_wire

    def _answer(self, path: str, body: dict[str, Any], agent: str, turn: Turn) -> None:
        number, usage = self.book.usage(output="embed" not in path.lower())
        model = body.get("model") or path.rpartition("/")[2].partition(":")[0]
        route = path.rpartition(":")[2] if ":" in path else path.rpartition("/")[2]
        kept = _Kept(route, model, agent, turn, body)
        if route == "embeddings":
            usage = Usage(input=usage.input, output=0)
            kept.keep(self, f"emb_{number}", usage, whole=True)
            self._json(openai_wire.embeddings(model, usage))
        elif route == "completions":
            self._speak(kept, f"chatcmpl-{number}", _joined(usage), bool(body.get("stream")))
        elif route == "responses":
            self._speak(kept, f"resp_{number}", _joined(usage), bool(body.get("stream")))
        elif route == "messages":
            self._speak(kept, f"msg_{number}", usage, bool(body.get("stream")))
        else:
            plain = msgspec.structs.replace(usage, cache_write_5m=0, cache_write_1h=0)
            self._speak(kept, f"gem_{number}", plain, route.startswith("stream"))

    def _speak(self, kept: "_Kept", id_: str, usage: Usage, stream: bool) -> None:
        turn, model = kept.turn, kept.model
        if not stream:
            whole = {
                "completions": openai_wire.chat,
                "responses": openai_wire.response,
                "messages": anthropic_wire.message,
            }.get(kept.route, gemini_wire.generated)(id_, model, turn, usage)
            kept.keep(self, id_, usage, whole=True)
            self._json(whole)
            return
        if kept.route == "completions":
            self._events(kept, id_, usage, openai_wire.chat_events(id_, model, turn, usage, kept.body), named=False)
        elif kept.route == "responses":
            self._events(kept, id_, usage, openai_wire.response_events(id_, model, turn, usage), named=True)
        elif kept.route == "messages":
            self._events(kept, id_, usage, anthropic_wire.events(id_, model, turn, usage), named=True)
        else:
            self._events(kept, id_, usage, gemini_wire.events(id_, model, turn, usage), named=False)

    def _events(self, kept: "_Kept", id_: str, usage: Usage, events: Iterator[dict[str, Any]], *, named: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        cut = kept.turn.cut_after
        kept.keep(self, id_, usage, whole=cut is None)
        for number, event in enumerate(events):
            if number == cut:
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            name = f"event: {event['type']}\n" if named else ""
            self._chunk(f"{name}data: {json.dumps(event)}\n\n".encode())
        if kept.route == "completions":
            self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _json(self, value: dict[str, Any], status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()


def _joined(usage: Usage) -> Usage:
    """OpenAI knows one life of a cache write."""
    written = usage.cache_write_5m + usage.cache_write_1h
    return msgspec.structs.replace(usage, cache_write_5m=written, cache_write_1h=0)


class _Kept:
    """What is noted of a request once it is answered."""

    def __init__(self, route: str, model: str, agent: str, turn: Turn, body: dict[str, Any]) -> None:
        self.route = route
        self.model = model
        self.agent = agent
        self.turn = turn
        self.body = body

    def keep(self, handler: _Handler, id_: str, usage: Usage, *, whole: bool) -> None:
        """Note the answer, before its last byte leaves."""
        headers = {name.lower(): value for name, value in handler.headers.items()}
        handler.book.keep(Served(id_, self.route, self.model, self.agent, usage, whole, headers, self.body))
