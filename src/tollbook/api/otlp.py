"""OTLP over HTTP: `/v1/traces`, `/v1/logs` and `/v1/metrics`, in protobuf and JSON, from any OpenTelemetry exporter.

An exporter keeps and sends again what is answered 429, 502, 503 or 504, and drops what is answered anything else; hence
broken items are told of in a 200, a broken body in a 400, and trouble of the stores in a 503.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple, TypeVar

import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tollbook.api.auth import authenticate, require_sender
from tollbook.api.bare import JSON, READ, Disconnected, Receive, Scope, Send, answer, read_body, text_of
from tollbook.api.bodies import Exchange
from tollbook.api.intake import IntakeApp
from tollbook.api.problems import Problem, unavailable
from tollbook.api.refusing import problem_of
from tollbook.api.services import Services
from tollbook.domain.errors import RejectCode, RequestError, StoreError
from tollbook.domain.event import Event, Rejection
from tollbook.ingest.body import inflate
from tollbook.ingest.otel import json_form, protobuf
from tollbook.ingest.otel.points import event_of_series, series_of
from tollbook.ingest.otel.records import event_of_record
from tollbook.ingest.otel.signals import LogRecord, Point, Span, Unreadable
from tollbook.ingest.refusal import ItemRefused
from tollbook.ingest.text import batch_too_large
from tollbook.pipeline.accept import Ack
from tollbook.pipeline.resolve import Sender
from tollbook.telemetry import Rejected, Unpriced

PROTOBUF = b"application/x-protobuf"
_PROTOBUF_TYPES = frozenset({"application/x-protobuf", "application/protobuf"})
_DETAIL_CHARS_MAX = 200

_Item = TypeVar("_Item", Span, LogRecord, Point)


class _Found(NamedTuple):
    """What a body held: events with their places in it, calls of earlier requests that are better known now."""

    events: list[Event]
    indexes: list[int]
    rejections: list[Rejection]
    again: list[Event]
    postponed: bool


class OtlpApp:
    """Answers `POST` on the three paths."""

    def __init__(self, services: Services, intake: IntakeApp) -> None:
        self._services = services
        self._intake = intake
        self._signals = {"/v1/traces": self._traces, "/v1/logs": self._logs, "/v1/metrics": self._metrics}

    def takes(self, path: str) -> bool:
        """Whether a path is one of the three."""
        return path in self._signals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        headers = dict(scope["headers"])
        media = (text_of(headers, b"content-type") or "").partition(";")[0].strip().lower()
        is_json = media == "application/json"
        try:
            status, body, more = 200, await self._answer_of(scope, headers, receive, media), None
        except Disconnected:
            return
        except Problem as problem:
            status, body = problem.status, _status(problem, is_json=is_json)
            more = {name.encode(): value.encode() for name, value in problem.headers.items()}
            if READ not in scope:
                send = Exchange(scope, receive, send).send
        await answer(send, status, JSON if is_json else PROTOBUF, body, more)

    async def _answer_of(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, media: str) -> bytes:
        if scope["method"] != "POST":
            raise Problem(405, "method_not_allowed", "OTLP is POSTed", headers={"allow": "POST"})
        # The variable for headers is percent-encoded; Claude Code, for one, sends it on as it is.
        authorization = (text_of(headers, b"authorization") or "").replace("%20", " ", 1)
        principal = authenticate(self._services.directory, authorization)
        require_sender(principal)
        sender = Sender(tenant=principal.tenant, agent=principal.agent, run=principal.run)
        ack = self._intake.ack_of(scope)
        try:
            if media != "application/json" and media not in _PROTOBUF_TYPES:
                detail = "send OTLP as application/x-protobuf or application/json"
                raise RequestError(RejectCode.MEDIA_TYPE_UNSUPPORTED, detail, status=415)
            body = await read_body(scope, headers, receive, bytes_max=self._services.limits.body_bytes_max)
            plain = self._inflated(body, text_of(headers, b"content-encoding"), media)
            found = await self._signals[scope["path"]](plain, media == "application/json", sender)
            rejections = await self._keep(found, sender, ack)
        except (RequestError, StoreError) as error:
            raise problem_of(error, self._services.telemetry) from error
        if found.postponed:
            detail = "sums of agents cannot be told from those of their parts while spans are not kept"
            raise unavailable(detail, "ledger_unavailable")
        return _response(scope["path"], rejections, is_json=media == "application/json")

    def _inflated(self, body: bytes, encoding: str | None, media: str) -> bytes:
        try:
            return inflate(body, encoding, self._services.limits)
        except RequestError as error:
            # In protobuf, no bytes are a request without items.
            if error.reject is RejectCode.BODY_EMPTY and media in _PROTOBUF_TYPES:
                return b""
            raise

    async def _traces(self, body: bytes, is_json: bool, sender: Sender) -> _Found:
        rejections: list[Rejection] = []
        limits = self._services.limits
        items = json_form.spans(body, limits) if is_json else protobuf.spans(body)
        spans = list(self._readable(items, rejections))
        seen = await self._services.traces.observe(spans, sender.tenant)
        return _Found(seen.events, seen.indexes, [*rejections, *seen.rejections], seen.again, seen.postponed)

    async def _logs(self, body: bytes, is_json: bool, sender: Sender) -> _Found:
        found = _Found([], [], [], [], postponed=False)
        limits = self._services.limits
        mapping = self._services.traces.settings.mapping
        items = json_form.records(body, limits) if is_json else protobuf.records(body)
        for record in self._readable(items, found.rejections):
            _collect(found, record.index, partial(event_of_record, record, sender.tenant, mapping, limits))
        return found

    async def _metrics(self, body: bytes, is_json: bool, sender: Sender) -> _Found:
        found = _Found([], [], [], [], postponed=False)
        limits = self._services.limits
        mapping = self._services.traces.settings.mapping
        alone = self._services.metrics_alone
        items = json_form.points(body, limits) if is_json else protobuf.points(body)
        for series in series_of(list(self._readable(items, found.rejections))):
            made = partial(event_of_series, series, sender.tenant, mapping, limits, alone=alone)
            _collect(found, series.indexes[0], made)
        return found

    def _readable(self, items: "Iterable[_Item | Unreadable]", rejections: list[Rejection]) -> "Iterator[_Item]":
        items_max = self._services.limits.batch_events_max
        for number, item in enumerate(items):
            if number >= items_max:
                raise batch_too_large(f"more than {items_max} items: send smaller batches")
            if isinstance(item, Unreadable):
                code = RejectCode.FIELD_INVALID.value
                rejections.append(Rejection(index=item.index, code=code, detail=item.why[:_DETAIL_CHARS_MAX]))
            else:
                yield item

    async def _keep(self, found: _Found, sender: Sender, ack: Ack) -> list[Rejection]:
        """Price and keep the events; those that are refused on the way, and those that were before."""
        services = self._services
        services.resolver.under(services.directory.tenancy, services.directory.budgets)
        now = services.clock.now()
        events = [*found.events, *found.again]
        # What is said again of earlier spans has no place in this request: its refusals are nobody's to be told.
        indexes = [*found.indexes, *[-1] * len(found.again)]
        resolved = services.resolver.resolve(events, indexes, sender, now)
        rejections = [*found.rejections, *resolved.rejections]
        for rejection in rejections:
            services.telemetry.record(Rejected(1, rejection.code))
        for tenant, model in resolved.unpriced:
            services.telemetry.record(Unpriced(tenant, model))
        if resolved.chunks:
            await services.intake.accept(resolved, ack)
        return [rejection for rejection in rejections if rejection.index >= 0]


def _collect(found: _Found, index: int, made: Callable[[], Event | None]) -> None:
    try:
        event = made()
    except ItemRefused as refused:
        found.rejections.append(Rejection(index=index, code=refused.code.value, detail=refused.detail))
        return
    if event is not None:
        found.events.append(event)
        found.indexes.append(index)


_RESPONSES = {
    "/v1/traces": (ExportTraceServiceResponse, "rejected_spans", "rejectedSpans"),
    "/v1/logs": (ExportLogsServiceResponse, "rejected_log_records", "rejectedLogRecords"),
    "/v1/metrics": (ExportMetricsServiceResponse, "rejected_data_points", "rejectedDataPoints"),
}


def _response(path: str, rejections: list[Rejection], *, is_json: bool) -> bytes:
    made, field, camel = _RESPONSES[path]
    if not rejections:
        return b"{}" if is_json else b""
    first = min(rejections, key=lambda rejection: rejection.index)
    detail = f"item {first.index}: {first.code}: {first.detail}"[:_DETAIL_CHARS_MAX]
    if is_json:
        # The mapping of protobuf to JSON writes 64-bit numbers as text.
        return msgspec.json.encode({"partialSuccess": {camel: str(len(rejections)), "errorMessage": detail}})
    response = made()
    setattr(response.partial_success, field, len(rejections))
    response.partial_success.error_message = detail
    return bytes(response.SerializeToString())


def _status(problem: Problem, *, is_json: bool) -> bytes:
    """The `google.rpc.Status` of a refusal. OTLP's own `Status` has its message under the same number."""
    message = f"{problem.code}: {problem.detail}"
    if is_json:
        return msgspec.json.encode({"code": _RPC_CODES.get(problem.status, _UNKNOWN), "message": message})
    return Status(message=message).SerializeToString()


_UNKNOWN = 2
_RPC_CODES = {400: 3, 401: 16, 403: 7, 413: 8, 415: 3, 429: 8, 503: 14}
