"""Makes the payloads of `tests/unit/ingest/otel/payloads` anew, from the packages themselves.

`.venv-integrations/bin/python -m tests.integration.sources.otel.capture` runs every fleet of `fleet.py` against the
fake provider and keeps each body that its exporters sent, inflated, beside what the provider counted. Claude Code and
Codex are run too, where they are there.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import ClassVar

import msgspec
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.client.providers.served import Served, Turn
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
        served = list(provider.book.served)
    _file(name, bodies, served)


def _file(name: str, bodies: list[tuple[str, bytes]], served: list[Served]) -> None:
    for number, (signal, body) in enumerate(bodies):
        (PAYLOADS / f"{name}.{number}.{signal}.pb").write_bytes(_TRIMS[signal](body))
    counted = [
        {
            "id": one.id,
            "model": one.model,
            "agent": one.agent,
            "route": one.route,
            "usage": msgspec.structs.asdict(one.usage),
        }
        for one in served
        if one.route not in {"turn-costs", "count_tokens"}
    ]
    (PAYLOADS / f"{name}.served.json").write_text(json.dumps(counted, indent=1) + "\n", encoding="utf-8")


def _trimmed(body: bytes) -> bytes:
    """Codex traces its every file access: only spans with tokens are kept."""
    request = ExportTraceServiceRequest.FromString(body)
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            if scope.scope.name.startswith("codex"):
                kept = [span for span in scope.spans if any("token" in pair.key for pair in span.attributes)]
                del scope.spans[:]
                scope.spans.extend(kept)
    return request.SerializeToString()


def _trimmed_metrics(body: bytes) -> bytes:
    """Codex has a hundred metrics: those of tokens are kept."""
    request = ExportMetricsServiceRequest.FromString(body)
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            if scope.scope.name.startswith("codex"):
                kept = [metric for metric in scope.metrics if "token" in metric.name]
                del scope.metrics[:]
                scope.metrics.extend(kept)
    return request.SerializeToString()


_TRIMS: dict[str, Callable[[bytes], bytes]] = {"traces": _trimmed, "metrics": _trimmed_metrics, "logs": bytes}

_CODEX = """
model = "gpt-5.6-sol"
model_provider = "fake"
[model_providers.fake]
name = "fake"
base_url = "{provider}/v1"
env_key = "FAKE_KEY"
wire_api = "responses"
[otel]
environment = "test"
exporter = {{ otlp-http = {{ endpoint = "{receiver}/v1/logs", protocol = "binary" }} }}
trace_exporter = {{ otlp-http = {{ endpoint = "{receiver}/v1/traces", protocol = "binary" }} }}
metrics_exporter = {{ otlp-http = {{ endpoint = "{receiver}/v1/metrics", protocol = "binary" }} }}
"""
_CLAUDE = {
    "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
    "CLAUDE_CODE_ENHANCED_TELEMETRY_BETA": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "ANTHROPIC_API_KEY": "k",
}


def capture_cli(name: str, program: str) -> None:
    """Run a coding agent once, in an empty home, and keep what it sent."""
    with running_provider() as provider, _sink() as (receiver, bodies), tempfile.TemporaryDirectory() as home:
        own = {"HOME": home, "CODEX_HOME": home, "FAKE_KEY": "k", "OTEL_RESOURCE_ATTRIBUTES": "tollbook.tenant=acme"}
        if name == "codex":
            settings = _CODEX.format(provider=provider.url, receiver=receiver)
            (Path(home) / "config.toml").write_text(settings, encoding="utf-8")
            command = [program, "exec", "--skip-git-repo-check", "Say it."]
        else:
            own |= {**_CLAUDE, "ANTHROPIC_BASE_URL": provider.url, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver}
            spawn = {"description": "d", "prompt": "[agent=sub] Find it.", "subagent_type": "general-purpose"}
            if name == "claude-code-agents":
                provider.book.script(Turn(tool=("Agent", json.dumps(spawn))))
            command = [program, "-p", "Say it.", "--allowedTools", "Agent"]
        done = subprocess.run(
            command, cwd=home, env={**os.environ, **own}, stdin=subprocess.DEVNULL, check=False, timeout=120
        )
        if done.returncode:
            raise SystemExit(f"{name} ended with {done.returncode}")
        _file(name, bodies, list(provider.book.served))


def _programs() -> dict[str, str]:
    """The coding agents that are there: the Claude Code of its SDK, a Codex on PATH."""
    found = {}
    with suppress(ImportError):
        sdk = Path(next(iter(import_module("claude_agent_sdk").__path__)))
        found["claude-code"] = found["claude-code-agents"] = str(sdk / "_bundled" / "claude")
    codex = shutil.which("codex")
    return found if codex is None else {**found, "codex": codex}


if __name__ == "__main__":
    PAYLOADS.mkdir(parents=True, exist_ok=True)
    for each in NAMES:
        capture(each)
    for each, where in _programs().items():
        capture_cli(each, where)
