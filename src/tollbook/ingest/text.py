"""The body as text: UTF-8, escapes, depth and size, judged before and beside the JSON decoder."""

import codecs
import re

from tollbook.domain.errors import RejectCode, RequestError
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.refusal import ItemRefused

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ONE_BRACKET = bytes.maketrans(b"{}", b"[]")

_BACKSLASH, _DEL = 0x5C, 0x7F
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\.",
    re.DOTALL,
)

# An event with every field and 32 tags holds 49 commas. Without this bound 16 MB of `[0,0,0,...]` become half
# a gigabyte of decoded items before anyone can count them.
_COMMAS_PER_EVENT_MAX = 64
_COMMAS_ALWAYS_FREE = 65_536
# Counting costs a tenth of a microsecond an event; a body shorter than this cannot reach either bound.
_SIZE_ALWAYS_FREE = 2 * _COMMAS_ALWAYS_FREE


def require_countable(body: bytes, limits: IntakeLimits) -> None:
    """Refuse a body whose structure alone would cost far more memory than its bytes.

    Raises `RequestError` BATCH_TOO_LARGE (413).
    """
    if len(body) <= _SIZE_ALWAYS_FREE:
        return
    commas_max = max(limits.batch_events_max * _COMMAS_PER_EVENT_MAX, _COMMAS_ALWAYS_FREE)
    objects_max = max(limits.batch_events_max * limits.nesting_max, _COMMAS_ALWAYS_FREE)
    if len(body) > 2 * commas_max and body.count(b",") > commas_max:
        raise batch_too_large(f"the body holds more than {commas_max} commas: split the batch")
    if len(body) > 3 * objects_max and body.count(b"{") > objects_max:
        raise batch_too_large(f"the body holds more than {objects_max} objects: split the batch")


def batch_too_large(detail: str) -> RequestError:
    """The 413 of a request with too many items."""
    return RequestError(RejectCode.BATCH_TOO_LARGE, detail, status=413)


def is_plain(body: bytes) -> bool:
    r"""Whether no string value in this JSON text can break a rule about characters.

    ASCII without escapes has neither surrogates nor control characters (JSON allows no raw ones but DEL), and
    where no quote is followed by a space, no value starts with one or is all spaces. True for nearly every
    real body, at the cost of four searches; False only means that each string is looked at.

    >>> is_plain(b'{"run": "r-1"}'), is_plain(b'{"run": " "}'), is_plain(b'{"run": "\\u0000"}')
    (True, False, False)
    """
    # Integers and find(): `bytes in bytes` raises and clears an exception inside before it searches.
    return body.isascii() and _BACKSLASH not in body and _DEL not in body and body.find(b'" ') < 0


def readable(body: bytes) -> bytes:
    r"""The text with each lone surrogate escape replaced by `\u0000`, which no field may hold either.

    The decoder treats a lone surrogate as broken JSON, which would cost its neighbours in the batch.

    Raises `ItemRefused` JSON_INVALID where the bytes are not UTF-8.

    >>> readable(rb'["\ud800", "\ud83d\ude00", "\\ud800"]')
    b'["\\u0000", "\\ud83d\\ude00", "\\\\ud800"]'
    """
    if not body.isascii():
        try:
            codecs.utf_8_decode(body, "strict", True)
        except UnicodeDecodeError as error:
            raise ItemRefused(RejectCode.JSON_INVALID, f"not UTF-8 at byte {error.start}") from error
    if b"\\u" in body and _SURROGATE.search(body):
        return _ESCAPE.sub(_without_lone_surrogate, body)
    return body


def _without_lone_surrogate(escape: re.Match[bytes]) -> bytes:
    return escape[0] if escape[1] is None else b"\\u0000"


def openings(body: bytes) -> int:
    """How many brackets open, those inside strings included: an upper bound of the depth."""
    return body.count(b"{") + body.count(b"[")


def is_deeper(body: bytes, depth_max: int) -> bool:
    """Whether arrays and objects nest deeper than `depth_max`. Exact for valid JSON, linear for any bytes.

    Strings go first, then the innermost pairs, `depth_max` times: whatever brackets remain were deeper.

    >>> is_deeper(b'[{"a": "[[["}]', 2), is_deeper(b'[{"a": []}]', 2)
    (False, True)
    """
    brackets = _STRING.sub(b"", body).translate(_ONE_BRACKET, _NOT_BRACKETS)
    for _ in range(depth_max):
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)
