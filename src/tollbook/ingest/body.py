"""The body as received: its size and its content encoding."""

import zlib

from tollbook.domain.errors import RejectCode, RequestError
from tollbook.domain.limits import IntakeLimits

_GZIP_WBITS = 31
# What follows a member is copied at each member's end, so a slice bounds that copy and a member limit bounds
# their number: without both, 200,000 empty members in 4 MB cost gigabytes of copying.
_SLICE_BYTES = 64 * 1024
_GZIP_MEMBERS_MAX = 1024


def inflate(body: bytes, encoding: str | None, limits: IntakeLimits) -> bytes:
    """The body without its `Content-Encoding`.

    Takes identity and gzip (`x-gzip`, several members). Inflation stops one byte past
    `limits.inflated_bytes_max`.

    Raises `RequestError`: BODY_EMPTY (400), BODY_TOO_LARGE (413), ENCODING_UNSUPPORTED (415),
    ENCODING_INVALID (400; truncated, corrupt or followed by anything but another member).

    >>> inflate(zlib.compress(b"{}", wbits=31), "gzip", IntakeLimits())
    b'{}'
    """
    if len(body) > limits.body_bytes_max:
        raise _too_large(f"the body is longer than {limits.body_bytes_max} bytes")
    name = "identity" if encoding is None else encoding.strip().lower()
    if name in {"gzip", "x-gzip"}:
        body = _gunzip(body, limits.inflated_bytes_max)
    elif name not in {"", "identity"}:
        raise RequestError(
            RejectCode.ENCODING_UNSUPPORTED, "send the body as identity or gzip, nothing else", status=415
        )
    elif len(body) > limits.inflated_bytes_max:
        raise _too_large(f"the body is longer than {limits.inflated_bytes_max} bytes")
    if not body:
        raise RequestError(RejectCode.BODY_EMPTY, "the body is empty")
    return body


def _too_large(detail: str) -> RequestError:
    return RequestError(RejectCode.BODY_TOO_LARGE, detail, status=413)


def _gunzip(body: bytes, bytes_max: int) -> bytes:
    view = memoryview(body)
    parts: list[bytes] = []
    room = bytes_max
    position = 0
    members = 0
    while position < len(view):
        members += 1
        if members > _GZIP_MEMBERS_MAX:
            raise RequestError(RejectCode.ENCODING_INVALID, f"the gzip body has more than {_GZIP_MEMBERS_MAX} members")
        member = zlib.decompressobj(wbits=_GZIP_WBITS)
        while not member.eof:
            piece = view[position : position + _SLICE_BYTES]
            if not piece:
                raise RequestError(RejectCode.ENCODING_INVALID, "the gzip body is truncated")
            try:
                part = member.decompress(piece, room + 1)
            except zlib.error as error:
                raise RequestError(
                    RejectCode.ENCODING_INVALID,
                    f"the body is not gzip from byte {position} on, or corrupt",
                ) from error
            room -= len(part)
            if room < 0:
                raise _too_large(f"the body inflates to more than {bytes_max} bytes")
            parts.append(part)
            position += len(piece) - len(member.unused_data)
    return b"".join(parts)
