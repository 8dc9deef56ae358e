"""tollbook's own payload: one JSON object, a JSON array of them, or one object a line."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from tollbook.domain.errors import RejectCode, RequestError
from tollbook.domain.event import Event, Rejection
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.decoded import Decoded, bounded_lines, rejection_of, require_batch
from tollbook.ingest.item import ItemReader, reader_for, too_deep
from tollbook.ingest.media import Media, media_of
from tollbook.ingest.refusal import ItemRefused
from tollbook.ingest.text import (
    is_deeper,
    is_plain,
    openings,
    readable,
    require_countable,
)
from tollbook.ingest.wire import NESTING_TYPED

_BOM = b"\xef\xbb\xbf"
_WHOLE = frozenset({RejectCode.JSON_INVALID, RejectCode.TOO_DEEP})

_Item = TypeVar("_Item")


def decode(body: bytes, media_type: str | None, limits: IntakeLimits) -> Decoded:
    """The events of an inflated body, and why each other item was not taken.

    Takes one JSON object, an array, or lines of objects (recognised by themselves, whatever JSON-like content
    type they come under). Unknown fields are ignored; null is absent.

    Raises `RequestError` where the whole body is refused: MEDIA_TYPE_UNSUPPORTED (415), BODY_EMPTY,
    JSON_INVALID or TOO_DEEP (400; a line's own such fault is that line's rejection), BATCH_TOO_LARGE (413).

    >>> one = b'{"tenant": "acme", "agent": "a", "input": 1, "output": 2, "model": "m"}'
    >>> decode(one + b"\\n[]", None, IntakeLimits()).rejections
    [Rejection(index=1, code='item_not_object', detail='an event is a JSON object')]
    """
    media = media_of(media_type)
    body = body.removeprefix(_BOM).strip()
    if not body:
        raise RequestError(RejectCode.BODY_EMPTY, "the body is empty")
    require_countable(body, limits)
    reader = reader_for(limits, is_plain(body))
    try:
        return _array(reader, body) if body.startswith(b"[") else _single(reader, body)
    except ItemRefused as refused:
        if media is Media.LINES or _is_lines(body):
            return _lines(reader, body)
        if media is Media.FORM:
            raise RequestError(
                RejectCode.MEDIA_TYPE_UNSUPPORTED,
                "a form that holds no JSON: send application/json, with curl by --json or --data-binary",
                status=415,
            ) from refused
        raise RequestError(refused.code, refused.detail) from refused


def _is_lines(body: bytes) -> bool:
    line, newline, _ = body.partition(b"\n")
    if not newline:
        return False
    try:
        msgspec.json.decode(readable(line), type=msgspec.Raw)
    except (ItemRefused, msgspec.DecodeError, RecursionError):
        return False
    return True


def _single(reader: ItemReader, body: bytes) -> Decoded:
    try:
        event = reader.text(body)
    except ItemRefused as refused:
        if refused.code in _WHOLE:
            raise
        return Decoded(events=[], indexes=[], rejections=[rejection_of(0, refused)], items=1)
    return Decoded(events=[event], indexes=None, rejections=[], items=1)


def _array(reader: ItemReader, body: bytes) -> Decoded:
    text = body if reader.plain else readable(body)
    try:
        try:
            events = reader.codec.direct_many.decode(text)
            require_batch(len(events), reader.limits)
            return _collect(events, reader.judge.direct)
        except msgspec.ValidationError:
            pass
        try:
            observed = reader.codec.observed_many.decode(text)
            require_batch(len(observed), reader.limits)
            return _collect(observed, reader.judge.observed)
        except msgspec.ValidationError:
            pass
        try:
            return _wires(reader, text)
        except msgspec.ValidationError:
            elements = msgspec.json.decode(text, type=list[msgspec.Raw])
    except RecursionError as error:
        raise too_deep(reader.limits) from error
    except msgspec.DecodeError as error:
        raise ItemRefused(RejectCode.JSON_INVALID, str(error)) from error
    require_batch(len(elements), reader.limits)
    if is_deeper(text, reader.limits.nesting_max):
        raise too_deep(reader.limits)
    return _collect(elements, reader.element)


def _wires(reader: ItemReader, text: bytes) -> Decoded:
    wires = reader.codec.many.decode(text)
    require_batch(len(wires), reader.limits)
    # An array, its items, their tags, units and context open one bracket each. Only unknown fields can be deep, and one
    # of them is deep only by that many brackets more.
    known = sum([(wire.tags is not None) + (wire.units is not None) + (wire.context is not None) for wire in wires])
    spare = openings(text) - 1 - len(wires) - known
    if spare > reader.limits.nesting_max - NESTING_TYPED and is_deeper(text, reader.limits.nesting_max):
        raise too_deep(reader.limits)
    return _collect(wires, reader.judge.built)


def _lines(reader: ItemReader, body: bytes) -> Decoded:
    return _collect(bounded_lines(body, reader.limits), reader.text)


def _collect(items: Iterable[_Item], to_event: Callable[[_Item], Event]) -> Decoded:
    events: list[Event] = []
    rejections: list[Rejection] = []
    index = -1
    for index, item in enumerate(items):
        try:
            events.append(to_event(item))
        except ItemRefused as refused:
            rejections.append(rejection_of(index, refused))
    indexes = None
    if rejections:
        refused_at = {rejection.index for rejection in rejections}
        indexes = [position for position in range(index + 1) if position not in refused_at]
    return Decoded(events=events, indexes=indexes, rejections=rejections, items=index + 1)
