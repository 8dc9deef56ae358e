"""Spans in protobuf: attributes are opened one by one, and read as the official types read them."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from tollbook.domain.errors import RejectCode, RequestError
from tollbook.ingest.otel import protobuf
from tollbook.ingest.otel.signals import Span

LONG = "x" * 10_000
VALUES: dict[str, tuple[AnyValue, object]] = {
    "text": (AnyValue(string_value="chat"), "chat"),
    "long": (AnyValue(string_value=LONG), LONG),
    "empty": (AnyValue(string_value=""), ""),
    "count": (AnyValue(int_value=12), 12),
    "none": (AnyValue(int_value=0), 0),
    "below": (AnyValue(int_value=-3), -3),
    "yes": (AnyValue(bool_value=True), True),
    "no": (AnyValue(bool_value=False), False),
    "share": (AnyValue(double_value=0.5), 0.5),
    "bytes": (AnyValue(bytes_value=b"\xff"), b"\xff"),
    "nothing": (AnyValue(), None),
}


def body(*pairs: KeyValue) -> bytes:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    span.attributes.extend(pairs)
    span.events.add(name="retry")
    return request.SerializeToString()


def read(text: bytes) -> Span:
    (span,) = protobuf.spans(text)
    assert isinstance(span, Span)
    return span


def test_attributes_of_every_kind_are_read_as_they_were_written() -> None:
    pairs = [KeyValue(key=name, value=value) for name, (value, _) in VALUES.items()]
    lists = AnyValue()
    lists.array_value.values.extend([AnyValue(string_value="stop"), AnyValue(int_value=0)])
    for _ in range(2):
        found = read(body(*pairs, KeyValue(key="list", value=lists))).attributes
        assert found == {**{name: value for name, (_, value) in VALUES.items()}, "list": ["stop", 0]}


def test_a_repeated_attribute_says_what_it_says_last() -> None:
    pairs = [KeyValue(key="n", value=AnyValue(int_value=number)) for number in (1, 2)]
    assert read(body(*pairs)).attributes == {"n": 2}


def test_an_attribute_that_is_none_breaks_the_body() -> None:
    whole = body(KeyValue(key="name", value=AnyValue(string_value="value")))
    # The text of the value is said to be longer than the attribute that holds it.
    broken = whole.replace(b"\x0a\x05value", b"\x0a\x7fvalue")
    assert broken != whole
    with pytest.raises(RequestError) as refused:
        list(protobuf.spans(broken))
    assert refused.value.reject is RejectCode.PROTOBUF_INVALID
