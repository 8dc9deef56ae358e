"""Payloads as captured from real packages, and the events that a tree makes of spans without any store."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tollbook.domain.event import Event
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.otel import protobuf
from tollbook.ingest.otel.claims import Mapping, process_of
from tollbook.ingest.otel.events import event_of
from tollbook.ingest.otel.signals import Origin, Span
from tollbook.ingest.otel.spans import facts_of
from tollbook.ingest.otel.tree import Known, Tree

PAYLOADS = Path(__file__).parent / "payloads"
CLIS = ("claude-code", "claude-code-agents", "codex")
FLEETS = sorted({path.name.removesuffix(".served.json") for path in PAYLOADS.glob("*.served.json")} - set(CLIS))
LIMITS = IntakeLimits()
_REQUESTS = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
_IDS = {"traceId", "spanId", "parentSpanId"}


def bodies(fleet: str, signal: str) -> list[bytes]:
    """What a fleet's exporter sent, in the order of sending."""
    return [path.read_bytes() for path in sorted(PAYLOADS.glob(f"{fleet}.*.{signal}.pb"))]


def served(fleet: str) -> list[dict[str, Any]]:
    """What the provider counted for a fleet."""
    return json.loads((PAYLOADS / f"{fleet}.served.json").read_text(encoding="utf-8"))


def as_json(body: bytes, signal: str) -> bytes:
    """The same request in OTLP's JSON, whose ids are hex."""
    whole = json_format.MessageToDict(_REQUESTS[signal].FromString(body))
    return json.dumps(_with_hex_ids(whole)).encode()


def _with_hex_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_hex_ids(each) for each in value]
    if isinstance(value, dict):
        return {
            name: json_format.base64.b64decode(each).hex() if name in _IDS else _with_hex_ids(each)
            for name, each in value.items()
        }
    return value


def spans(fleet: str) -> list[Span]:
    """The spans of a fleet."""
    return [span for body in bodies(fleet, "traces") for span in protobuf.spans(body) if isinstance(span, Span)]


def span(
    attributes: dict[str, Any], *, scope: str = "", number: int = 1, parent: int | None = None, **more: Any
) -> Span:
    """A span of one trace, its ids made of a number."""
    fields = {
        "index": number,
        "origin": Origin(scope, "", more.pop("resource", {})),
        "trace_id": b"t" * 16,
        "span_id": number.to_bytes(8, "big"),
        "parent_id": None if parent is None else parent.to_bytes(8, "big"),
        "name": "chat",
        "kind": 3,
        "start_nanos": 1_790_000_000_000_000_000,
        "end_nanos": 1_790_000_001_000_000_000,
        "status": 0,
        "attributes": attributes,
    }
    return Span(**(fields | more))


def known(found: Span, kept: int = 1, mapping: Mapping | None = None) -> Known:
    """A span as the tree takes it."""
    return Known(
        trace_id=found.trace_id,
        span_id=found.span_id,
        parent_id=found.parent_id,
        kept=kept,
        facts=facts_of(found, process_of(found.origin, mapping or Mapping()), mapping or Mapping()),
    )


def events(found: Iterable[Span], mapping: Mapping | None = None) -> list[Event]:
    """The events of spans that came in one request."""
    tree = Tree(known(each, mapping=mapping) for each in found)
    made = [(one, tree.placed(one)) for one in tree]
    return [event_of(placed.call, placed.at("acme", one.facts), LIMITS) for one, placed in made if placed is not None]


def one(attributes: dict[str, Any], **more: Any) -> Event:
    """The one event of one span."""
    (event,) = events([span(attributes, **more)])
    return event
