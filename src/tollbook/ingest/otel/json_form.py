"""OTLP in JSON: the same items, with ids in hex and numbers as whatever a sender makes of them."""

from binascii import Error as HexError
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from tollbook.domain.errors import RejectCode, RequestError
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.otel.signals import Attributes, LogRecord, Origin, Point, Span, Unreadable, id_fault
from tollbook.ingest.refusal import ItemRefused
from tollbook.ingest.text import is_deeper, openings, readable

_INT64_MAX = 2**63 - 1
_DEPTH_MAX = 8
# A span's attribute may hold a list of objects, each of which opens five brackets in this form.
_NESTING_MAX = 64
_DELTA = frozenset({1, "1", "AGGREGATION_TEMPORALITY_DELTA"})

_Item = TypeVar("_Item")


class _Form(msgspec.Struct, rename="camel"):
    """Names are camelCase, as the protocol's JSON mapping says; unknown ones are ignored."""


class _Pair(_Form):
    key: str
    value: dict[str, Any] | None = None


class _Scope(_Form):
    name: str | None = None
    version: str | None = None


class _Resource(_Form):
    attributes: list[_Pair] | None = None


class _Status(_Form):
    code: int | str | None = None


class _Span(_Form):
    trace_id: str
    span_id: str
    parent_span_id: str | None = None
    name: str | None = None
    kind: int | str | None = None
    start_time_unix_nano: int | str | None = None
    end_time_unix_nano: int | str | None = None
    attributes: list[_Pair] | None = None
    status: _Status | None = None


class _Record(_Form):
    time_unix_nano: int | str | None = None
    observed_time_unix_nano: int | str | None = None
    event_name: str | None = None
    body: dict[str, Any] | None = None
    trace_id: str | None = None
    span_id: str | None = None
    attributes: list[_Pair] | None = None


class _Point(_Form):
    attributes: list[_Pair] | None = None
    start_time_unix_nano: int | str | None = None
    time_unix_nano: int | str | None = None
    as_int: int | str | None = None
    as_double: float | str | None = None
    sum: float | str | None = None


class _Points(_Form):
    data_points: list[msgspec.Raw] | None = None
    aggregation_temporality: int | str | None = None


class _Metric(_Form):
    name: str | None = None
    sum: _Points | None = None
    histogram: _Points | None = None
    exponential_histogram: _Points | None = None
    gauge: _Points | None = None
    summary: _Points | None = None


class _ScopeItems(_Form):
    scope: _Scope | None = None
    spans: list[msgspec.Raw] | None = None
    log_records: list[msgspec.Raw] | None = None
    metrics: list[msgspec.Raw] | None = None


class _ResourceItems(_Form):
    resource: _Resource | None = None
    scope_spans: list[_ScopeItems] | None = None
    scope_logs: list[_ScopeItems] | None = None
    scope_metrics: list[_ScopeItems] | None = None


class _Request(_Form):
    resource_spans: list[_ResourceItems] | None = None
    resource_logs: list[_ResourceItems] | None = None
    resource_metrics: list[_ResourceItems] | None = None


_REQUEST = msgspec.json.Decoder(_Request)
_SPAN = msgspec.json.Decoder(_Span)
_RECORD = msgspec.json.Decoder(_Record)
_METRIC = msgspec.json.Decoder(_Metric)
_POINT = msgspec.json.Decoder(_Point)


def spans(body: bytes, limits: IntakeLimits) -> Iterator[Span | Unreadable]:
    """The spans of a request. Raises `RequestError` where the whole is no OTLP request."""
    index = -1
    for resource in _request(body, limits).resource_spans or ():
        of_process = _attributes(resource.resource.attributes if resource.resource else None)
        for scope in resource.scope_spans or ():
            origin = _origin(scope.scope, of_process)
            for raw in scope.spans or ():
                index += 1
                yield _each(index, raw, _SPAN, lambda found, index=index, origin=origin: _span(index, origin, found))


def records(body: bytes, limits: IntakeLimits) -> Iterator[LogRecord | Unreadable]:
    """The log records of a request. Raises `RequestError` where the whole is no OTLP request."""
    index = -1
    for resource in _request(body, limits).resource_logs or ():
        of_process = _attributes(resource.resource.attributes if resource.resource else None)
        for scope in resource.scope_logs or ():
            origin = _origin(scope.scope, of_process)
            for raw in scope.log_records or ():
                index += 1
                yield _each(
                    index, raw, _RECORD, lambda found, index=index, origin=origin: _record(index, origin, found)
                )


def points(body: bytes, limits: IntakeLimits) -> Iterator[Point | Unreadable]:
    """The points of sums and histograms of a request; those of other kinds count as items too."""
    index = -1
    for resource in _request(body, limits).resource_metrics or ():
        of_process = _attributes(resource.resource.attributes if resource.resource else None)
        for scope in resource.scope_metrics or ():
            origin = _origin(scope.scope, of_process)
            for raw in scope.metrics or ():
                try:
                    metric = _METRIC.decode(raw)
                except msgspec.MsgspecError as error:
                    index += 1
                    yield Unreadable(index, f"no metric: {error}")
                    continue
                for kind in (metric.sum, metric.histogram, metric.exponential_histogram):
                    for point in (kind.data_points if kind else None) or ():
                        index += 1
                        yield from _point(index, origin, metric, kind, point)
                for other in (metric.gauge, metric.summary):
                    index += len((other.data_points if other else None) or ())


def _request(body: bytes, limits: IntakeLimits) -> _Request:
    items_max = limits.batch_events_max * limits.nesting_max
    try:
        text = readable(body)
        if openings(text) > _NESTING_MAX:
            if text.count(b"{") > items_max * _NESTING_MAX:
                raise RequestError(RejectCode.BATCH_TOO_LARGE, "too many objects in one request", status=413)
            if is_deeper(text, _NESTING_MAX):
                raise RequestError(RejectCode.TOO_DEEP, f"nested deeper than {_NESTING_MAX} levels")
        return _REQUEST.decode(text)
    except ItemRefused as refused:
        raise RequestError(refused.code, refused.detail) from refused
    except (msgspec.MsgspecError, RecursionError) as error:
        raise RequestError(RejectCode.JSON_INVALID, f"no OTLP request: {error}") from error


def _each(index: int, raw: msgspec.Raw, decoder: "msgspec.json.Decoder[Any]", made: Any) -> Any:
    """An item made of its text, or why it is none. One broken item costs its neighbours nothing."""
    try:
        return made(decoder.decode(raw))
    except (msgspec.MsgspecError, ValueError, HexError) as error:
        return Unreadable(index, str(error))


def _span(index: int, origin: Origin, found: _Span) -> Span:
    trace_id, span_id = bytes.fromhex(found.trace_id), bytes.fromhex(found.span_id)
    fault = id_fault(trace_id, span_id)
    if fault is not None:
        raise ValueError(fault)
    return Span(
        index=index,
        origin=origin,
        trace_id=trace_id,
        span_id=span_id,
        parent_id=bytes.fromhex(found.parent_span_id) if found.parent_span_id else None,
        name=found.name or "",
        kind=_enum(found.kind, _KINDS),
        start_nanos=_nanos(found.start_time_unix_nano),
        end_nanos=_nanos(found.end_time_unix_nano),
        status=_enum(found.status.code if found.status else None, _STATUSES),
        attributes=_attributes(found.attributes),
    )


def _record(index: int, origin: Origin, found: _Record) -> LogRecord:
    attributes = _attributes(found.attributes)
    named = attributes.get("event.name") or found.event_name
    body = None if found.body is None else _value(found.body, 0)
    event = named if isinstance(named, str) and named else body
    return LogRecord(
        index=index,
        origin=origin,
        nanos=_nanos(found.time_unix_nano) or _nanos(found.observed_time_unix_nano),
        event=event if isinstance(event, str) else "",
        trace_id=bytes.fromhex(found.trace_id) if found.trace_id else None,
        span_id=bytes.fromhex(found.span_id) if found.span_id else None,
        attributes=attributes,
    )


def _point(
    index: int, origin: Origin, metric: _Metric, kind: _Points | None, raw: msgspec.Raw
) -> Iterator[Point | Unreadable]:
    delta = kind is not None and kind.aggregation_temporality in _DELTA

    def made(found: _Point) -> Point:
        value: int | float
        if found.as_int is not None:
            value = int(found.as_int)
        else:
            value = float(found.as_double if found.as_double is not None else found.sum or 0)
        return Point(
            index=index,
            origin=origin,
            metric=metric.name or "",
            value=value,
            start_nanos=_nanos(found.start_time_unix_nano),
            nanos=_nanos(found.time_unix_nano),
            delta=delta,
            attributes=_attributes(found.attributes),
        )

    yield _each(index, raw, _POINT, made)


_KINDS = {f"SPAN_KIND_{name}": number for number, name in enumerate(("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT"))}
_STATUSES = {"STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}


def _enum(given: int | str | None, names: dict[str, int]) -> int:
    return given if isinstance(given, int) else names.get(given or "", 0)


def _nanos(given: int | str | None) -> int:
    nanos = int(given or 0)
    if not 0 <= nanos <= _INT64_MAX:
        raise ValueError("an instant lies outside what nanoseconds since 1970 can say")
    return nanos


def _origin(scope: _Scope | None, resource: Attributes) -> Origin:
    if scope is None:
        return Origin("", "", resource)
    return Origin(scope.name or "", scope.version or "", resource)


def _attributes(pairs: Iterable[_Pair] | None) -> Attributes:
    return {pair.key: _value(pair.value, 0) for pair in pairs or ()}


def _value(given: dict[str, Any] | None, depth: int) -> Any:
    """An attribute's value; None for what no version of the protocol known here would send."""
    if not given or depth > _DEPTH_MAX:
        return None
    kind, value = next(iter(given.items()))
    if kind in {"stringValue", "boolValue", "doubleValue", "bytesValue"}:
        return value if isinstance(value, str | bool | int | float) else None
    if kind == "intValue":
        try:
            whole = int(value)
        except (TypeError, ValueError, OverflowError):
            return None
        return whole if -_INT64_MAX - 1 <= whole <= _INT64_MAX else None
    members = value.get("values", []) if isinstance(value, dict) else None
    if not isinstance(members, list):
        return None
    if kind == "arrayValue":
        return [_value(each, depth + 1) for each in members if isinstance(each, dict)]
    if kind == "kvlistValue":
        pairs = [each for each in members if isinstance(each, dict) and isinstance(each.get("key"), str)]
        return {
            pair["key"]: _value(pair.get("value"), depth + 1) for pair in pairs if isinstance(pair.get("value"), dict)
        }
    return None
