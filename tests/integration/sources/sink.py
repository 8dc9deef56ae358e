"""A server on the loopback: it answers as providers do, and keeps what is posted to it as tollbook would get it."""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Post(NamedTuple):
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


class Sink:
    """A running server: `answers` by the end of a path, `posts` of the paths that none answers."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.answers: dict[str, Any] = {}
        self.posts: queue.Queue[Post] = queue.Queue()


@contextmanager
def running_sink() -> Iterator[Sink]:
    """Serve until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.daemon_threads = True
    sink = Sink(server.server_port)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            found = next((answer for end, answer in sink.answers.items() if path.endswith(end)), None)
            if found is None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                sink.posts.put(Post(path, headers, body))
                self._send(204 if path == "/api/v1/events" else 200, b"", "application/json")
            elif isinstance(found, list):
                frames = [f"event: {one['type']}\n" if "type" in one else "" for one in found]
                text = "".join(f"{head}data: {json.dumps(one)}\n\n" for head, one in zip(frames, found, strict=True))
                self._send(200, text.encode(), "text/event-stream")
            else:
                self._send(200, json.dumps(found).encode(), "application/json")

        def _send(self, status: int, body: bytes, media_type: str) -> None:
            self.send_response(status)
            self.send_header("content-type", media_type)
            self.send_header("x-request-id", "req_7d1f3b9a2c4e6f80")
            if status != 204:
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            if status != 204:
                self.wfile.write(body)

    server.RequestHandlerClass = Handler
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
