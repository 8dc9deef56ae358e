"""Bodies of other systems: split into items, each decoded for itself, none at the cost of its neighbours.

Numbers with a point are `Decimal`, so that an amount of money keeps its digits.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tollbook.domain.errors import RejectCode, RequestError
from tollbook.domain.event import Event, Rejection
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.decoded import Decoded, bounded_lines, rejection_of, require_batch
from tollbook.ingest.media import Media, media_of
from tollbook.ingest.refusal import ItemRefused
from tollbook.ingest.text import is_deeper, openings, readable, require_countable

NESTING_MAX = 64
"""Depth of a foreign item: an answer may echo the schemas of its tools, which nest deeper than any event."""

_BOM = b"\xef\xbb\xbf"
_NUMBER_CHARS_MAX = 40
_EXPONENT_CHARS_MAX = 4
_WHOLE = frozenset({RejectCode.JSON_INVALID, RejectCode.TOO_DEEP})

Fields = dict[str, Any]


def number(text: str) -> Decimal | float:
    """A JSON number that is not whole. Exact, but where its exponent would make its digits fill the memory.

    >>> number("0.1"), number("1e999999")
    (Decimal('0.1'), inf)
    """
    _, mark, exponent = text.lower().partition("e")
    if len(text) > _NUMBER_CHARS_MAX or (mark and len(exponent) > _EXPONENT_CHARS_MAX):
        return float(text)
    return Decimal(text)


_DECODER = msgspec.json.Decoder(float_hook=number)


def stripped(body: bytes, limits: IntakeLimits) -> bytes:
    """The body without what surrounds its text. Raises `RequestError` BODY_EMPTY (400), BATCH_TOO_LARGE (413)."""
    body = body.removeprefix(_BOM).strip()
    if not body:
        raise RequestError(RejectCode.BODY_EMPTY, "the body is empty")
    require_countable(body, limits)
    return body


def fields_of(text: bytes | msgspec.Raw) -> Fields:
    """The fields of one JSON object. Raises `ItemRefused`: JSON_INVALID, TOO_DEEP, ITEM_NOT_OBJECT."""
    value = value_of(bytes(text))
    if not isinstance(value, dict):
        raise ItemRefused(RejectCode.ITEM_NOT_OBJECT, "an item is a JSON object")
    return value


def value_of(text: bytes) -> Any:
    """One JSON value. Raises `ItemRefused`: JSON_INVALID, TOO_DEEP."""
    text = readable(text)
    if openings(text) > NESTING_MAX and is_deeper(text, NESTING_MAX):
        raise ItemRefused(RejectCode.TOO_DEEP, f"nested deeper than {NESTING_MAX} levels")
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise ItemRefused(RejectCode.TOO_DEEP, f"nested deeper than {NESTING_MAX} levels") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise ItemRefused(RejectCode.JSON_INVALID, str(error)) from error


def items_of(body: bytes, media_type: str | None, limits: IntakeLimits) -> Sequence[bytes | msgspec.Raw]:
    """The items of a body: one object, an array, or lines. Each is JSON of its own, not yet looked into.

    Raises `RequestError`: MEDIA_TYPE_UNSUPPORTED (415), BODY_EMPTY, JSON_INVALID, TOO_DEEP (400),
    BATCH_TOO_LARGE (413).
    """
    media = media_of(media_type)
    body = stripped(body, limits)
    if media is Media.LINES:
        return list(bounded_lines(body, limits))
    try:
        text = readable(body)
        if not text.startswith(b"["):
            try:
                value_of(text)
            except ItemRefused:
                if not _is_lines(text):
                    raise
                return list(bounded_lines(body, limits))
            return [text]
        elements = msgspec.json.decode(text, type=list[msgspec.Raw])
    except ItemRefused as refused:
        raise RequestError(refused.code, refused.detail) from refused
    except RecursionError as error:
        raise RequestError(RejectCode.TOO_DEEP, f"nested deeper than {NESTING_MAX} levels") from error
    except msgspec.DecodeError as error:
        raise RequestError(RejectCode.JSON_INVALID, str(error)) from error
    require_batch(len(elements), limits)
    return elements


def _is_lines(body: bytes) -> bool:
    line, newline, _ = body.partition(b"\n")
    if not newline:
        return False
    try:
        value_of(line)
    except ItemRefused:
        return False
    return True


Item = bytes | msgspec.Raw | Fields


def collect(
    items: Iterable[Item],
    to_events: Callable[[Fields, int], list[Event]],
    *,
    refused: dict[int, ItemRefused] | None = None,
) -> Decoded:
    """Make the events of each item; one that makes none tells of no call. `refused` items were so before.

    `to_events` gets an item's fields and index, and raises `ItemRefused`.
    """
    events: list[Event] = []
    indexes: list[int] = []
    rejections: list[Rejection] = []
    ignored, index = 0, -1
    for index, item in enumerate(items):
        try:
            if refused is not None and index in refused:
                raise refused[index]
            made = to_events(item if isinstance(item, dict) else fields_of(item), index)
        except ItemRefused as refusal:
            rejections.append(rejection_of(index, refusal))
            continue
        events.extend(made)
        indexes.extend([index] * len(made))
        ignored += not made
    return Decoded(events=events, indexes=indexes, rejections=rejections, items=index + 1, ignored=ignored)


def whole_or_items(decoded: Decoded) -> Decoded:
    """The same, or where a lone item's JSON is broken the refusal of the whole request, as for native events."""
    if decoded.items == 1 and decoded.rejections and decoded.rejections[0].code in _WHOLE:
        raise RequestError(RejectCode(decoded.rejections[0].code), decoded.rejections[0].detail)
    return decoded
