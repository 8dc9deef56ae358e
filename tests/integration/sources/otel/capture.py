"""Makes the payloads of `tests/unit/ingest/otel/payloads` anew, from the packages themselves.

`.venv-integrations/bin/python -m tests.integration.sources.otel.capture` runs every fleet of `fleet.py` against the
fake provider and keeps each body that its exporters sent, inflated, beside what the provider counted.
"""

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from tests.integration.client.providers.served import Turn
from tests.integration.client.providers.server import Provider, running_provider
from tests.integration.sources.otel.fleet import NAMES

ROOT = Path(__file__).resolve().parents[4]
PAYLOADS = ROOT / "tests" / "unit" / "ingest" / "otel" / "payloads"


class _Sink(BaseHTTPRequestHandler):
    bodies: ClassVar[list[tuple[str, bytes]]]

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.bodies.append((self.path.rpartition("/")[2], body))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def _sink() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    bodies: list[tuple[str, bytes]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Sink", (_Sink,), {"bodies": bodies}))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", bodies
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def scripted(name: str, provider: Provider) -> None:
    """Have the provider play its part in a fleet that needs one."""
    if "agents" in name:
        provider.book.script(Turn(tool=("research", '{"input": "it"}')), Turn(), agent="planner")


def capture(name: str) -> None:
    """Run one fleet and keep what it sent."""
    with running_provider() as provider, _sink() as (receiver, bodies):
        scripted(name, provider)
        command = [sys.executable, "-m", "tests.integration.sources.otel.fleet", name, receiver, provider.url]
        subprocess.run(
            command, check=True, cwd=ROOT, env={**os.environ, "OTEL_RESOURCE_ATTRIBUTES": "tollbook.tenant=acme"}
        )
        served = [
            {"id": one.id, "model": one.model, "agent": one.agent, "route": one.route, "usage": vars_of(one.usage)}
            for one in provider.book.served
        ]
    for number, (signal, body) in enumerate(bodies):
        (PAYLOADS / f"{name}.{number}.{signal}.pb").write_bytes(body)
    (PAYLOADS / f"{name}.served.json").write_text(json.dumps(served, indent=1) + "\n", encoding="utf-8")


def vars_of(usage: object) -> dict[str, int]:
    """The counts of a struct by name."""
    return {name: getattr(usage, name) for name in type(usage).__struct_fields__}  # type: ignore[attr-defined]


if __name__ == "__main__":
    PAYLOADS.mkdir(parents=True, exist_ok=True)
    for old in PAYLOADS.glob("*"):
        old.unlink()
    for each in NAMES:
        capture(each)
