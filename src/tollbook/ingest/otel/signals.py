"""Spans, log records and points of metrics as the dialects read them, whichever form they came in."""

from collections.abc import Mapping
from typing import Any

import msgspec

Attributes = Mapping[str, Any]
"""By name: text, bool, int, float, bytes, or lists and mappings of them; None for a value of a later protocol."""

NO_ATTRIBUTES: Attributes = {}


class Origin(msgspec.Struct, frozen=True, gc=False):
    """What the items of one scope share: the instrumentation that made them, and the process it ran in."""

    scope: str = ""
    version: str = ""
    resource: Attributes = NO_ATTRIBUTES


class Span(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One span. Instants are Unix nanoseconds, ids raw bytes, `kind` and `status` the protocol's numbers."""

    index: int
    origin: Origin
    trace_id: bytes
    span_id: bytes
    parent_id: bytes | None
    name: str
    kind: int
    start_nanos: int
    end_nanos: int
    status: int
    attributes: Attributes


class LogRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One log record; `event` is the name of the event that it is, where it says one."""

    index: int
    origin: Origin
    nanos: int
    event: str
    trace_id: bytes | None
    span_id: bytes | None
    attributes: Attributes


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One point of a sum or a histogram; `value` is the sum. `delta`: it covers start to end alone."""

    index: int
    origin: Origin
    metric: str
    value: int | float
    start_nanos: int
    nanos: int
    delta: bool
    attributes: Attributes


class Unreadable(msgspec.Struct, frozen=True):
    """An item that is none: its place in the request, and why."""

    index: int
    why: str


SPAN_ID_BYTES = 8
TRACE_ID_BYTES = 16


def id_fault(trace_id: bytes, span_id: bytes) -> str | None:
    """Why a span cannot be named, or None: ids are 16 and 8 bytes, not all zero.

    >>> id_fault(bytes(16), b"12345678")
    'the trace id is all zeros'
    """
    if len(trace_id) != TRACE_ID_BYTES or len(span_id) != SPAN_ID_BYTES:
        return "a trace id has 16 bytes and a span id 8"
    if not any(trace_id):
        return "the trace id is all zeros"
    if not any(span_id):
        return "the span id is all zeros"
    return None
