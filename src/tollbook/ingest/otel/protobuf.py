"""OTLP in protobuf, read with the generated types of opentelemetry-proto."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

from tollbook.domain.errors import RejectCode, RequestError
from tollbook.ingest.otel.signals import Attributes, LogRecord, Origin, Point, Span, Unreadable, id_fault
from tollbook.ingest.otel.unopened import TracesData

_DEPTH_MAX = 8
_PAIR_BYTES_MAX = 96
_PAIRS_KEPT = 16_384
"""A few megabytes at the most."""
_DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA


def spans(body: bytes) -> Iterator[Span | Unreadable]:
    """The spans of an `ExportTraceServiceRequest`. Raises `RequestError` where it is none."""
    index = -1
    request = TracesData()
    _parse(request, body)
    for resource in request.resource_spans:
        of_process = _attributes(resource.resource.attributes)
        for scope in resource.scope_spans:
            origin = _origin(scope.scope, of_process)
            for span in scope.spans:
                index += 1
                fault = id_fault(span.trace_id, span.span_id)
                if fault is not None:
                    yield Unreadable(index, fault)
                    continue
                yield Span(
                    index=index,
                    origin=origin,
                    trace_id=span.trace_id,
                    span_id=span.span_id,
                    parent_id=span.parent_span_id or None,
                    name=span.name,
                    kind=span.kind,
                    start_nanos=span.start_time_unix_nano,
                    end_nanos=span.end_time_unix_nano,
                    status=span.status.code,
                    attributes=_opened(span.attributes),
                )


def records(body: bytes) -> Iterator[LogRecord | Unreadable]:
    """The records of an `ExportLogsServiceRequest`. Raises `RequestError` where it is none."""
    index = -1
    request = ExportLogsServiceRequest()
    _parse(request, body)
    for resource in request.resource_logs:
        of_process = _attributes(resource.resource.attributes)
        for scope in resource.scope_logs:
            origin = _origin(scope.scope, of_process)
            for record in scope.log_records:
                index += 1
                attributes = _attributes(record.attributes)
                yield LogRecord(
                    index=index,
                    origin=origin,
                    nanos=record.time_unix_nano or record.observed_time_unix_nano,
                    # Rust's exporters put the place in the source into the name that the protocol has for it.
                    event=_text(attributes.get("event.name")) or record.event_name or record.body.string_value,
                    trace_id=record.trace_id or None,
                    span_id=record.span_id or None,
                    attributes=attributes,
                )


def points(body: bytes) -> Iterator[Point | Unreadable]:
    """The points of an `ExportMetricsServiceRequest`, sums and histograms alone; the others count as items too."""
    index = -1
    request = ExportMetricsServiceRequest()
    _parse(request, body)
    for resource in request.resource_metrics:
        of_process = _attributes(resource.resource.attributes)
        for scope in resource.scope_metrics:
            origin = _origin(scope.scope, of_process)
            for metric in scope.metrics:
                for point, value, delta in _amounts(metric):
                    index += 1
                    if value is None:
                        continue
                    yield Point(
                        index=index,
                        origin=origin,
                        metric=metric.name,
                        value=value,
                        start_nanos=point.start_time_unix_nano,
                        nanos=point.time_unix_nano,
                        delta=delta,
                        attributes=_attributes(point.attributes),
                    )


def _amounts(metric: Metric) -> Iterator[tuple[Any, int | float | None, bool]]:
    # Any: each kind of metric has points of a type of its own.
    kind = metric.WhichOneof("data")
    if kind == "sum":
        delta = metric.sum.aggregation_temporality == _DELTA
        for number in metric.sum.data_points:
            whole = number.WhichOneof("value") == "as_int"
            yield number, number.as_int if whole else number.as_double, delta
    elif kind == "histogram":
        delta = metric.histogram.aggregation_temporality == _DELTA
        for bucketed in metric.histogram.data_points:
            yield bucketed, bucketed.sum, delta
    elif kind == "exponential_histogram":
        delta = metric.exponential_histogram.aggregation_temporality == _DELTA
        for scaled in metric.exponential_histogram.data_points:
            yield scaled, scaled.sum, delta
    elif kind is not None:
        for other in getattr(metric, kind).data_points:
            yield other, None, False


def _parse(request: Message, body: bytes) -> None:
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise _broken() from error


def _broken() -> RequestError:
    return RequestError(RejectCode.PROTOBUF_INVALID, "the body is no OTLP request of this signal")


def _origin(scope: InstrumentationScope, resource: Attributes) -> Origin:
    return Origin(scope.name, scope.version, resource)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _opened(pairs: Iterable[bytes]) -> Attributes:
    # Long ones are what people and models said: none comes again, and remembered they would hold memory.
    try:
        return dict([_known_pair(pair) if len(pair) <= _PAIR_BYTES_MAX else _read_pair(pair) for pair in pairs])
    except DecodeError as error:
        raise _broken() from error


def _read_pair(pair: bytes) -> tuple[str, Any]:
    read = KeyValue.FromString(pair)
    value = read.value
    return read.key, value.string_value or value.int_value or _value(value, 0)


_known_pair = lru_cache(maxsize=_PAIRS_KEPT)(_read_pair)


def _attributes(pairs: Iterable[KeyValue]) -> Attributes:
    # Most values are texts that are not empty and counts that are not 0: asking which kind a value is costs as much as
    # reading it.
    return {pair.key: (value := pair.value).string_value or value.int_value or _value(value, 0) for pair in pairs}


def _value(value: AnyValue, depth: int) -> Any:
    kind = value.WhichOneof("value")
    if kind is None or depth > _DEPTH_MAX:
        return None
    if kind == "array_value":
        return [_value(each, depth + 1) for each in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value, depth + 1) for pair in value.kvlist_value.values}
    return getattr(value, kind)
