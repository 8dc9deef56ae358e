"""Sizes and content encodings."""

import contextlib
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.domain.errors import RejectCode, RequestError
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.body import inflate

LIMITS = IntakeLimits(body_bytes_max=200_000, inflated_bytes_max=300_000)
GOOD = gzip.compress(b"hello", mtime=0)


def refused(body: bytes, encoding: str | None) -> tuple[RejectCode, int]:
    with pytest.raises(RequestError) as caught:
        inflate(body, encoding, LIMITS)
    return caught.value.reject, caught.value.status


@pytest.mark.parametrize("encoding", [None, "", "identity", " Identity "])
def test_identity_is_handed_through(encoding: str | None) -> None:
    assert inflate(b"{}", encoding, LIMITS) == b"{}"


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", " GZip "])
def test_gzip_is_inflated(encoding: str) -> None:
    assert inflate(GOOD, encoding, LIMITS) == b"hello"


def test_several_members_are_one_body() -> None:
    big = gzip.compress(bytes(range(256)) * 400, compresslevel=0)
    assert len(big) > 64 * 1024
    assert inflate(GOOD + big + GOOD, "gzip", LIMITS) == b"hello" + bytes(range(256)) * 400 + b"hello"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (GOOD[:-1], "checksum cut"),
        (GOOD[:5], "header cut"),
        (GOOD + GOOD[:4], "second member cut"),
        (GOOD + b"x", "garbage after"),
        (GOOD + b"\0" * 8, "padding after"),
        (GOOD[:-8] + b"\0" * 8, "checksum wrong"),
        (b"{}", "not gzip"),
        (zlib.compress(b"{}"), "zlib, not gzip"),
        (gzip.compress(b"", mtime=0) * 1025 + GOOD, "too many members"),
    ],
)
def test_broken_gzip_is_refused(body: bytes, why: str) -> None:
    assert refused(body, "gzip") == (RejectCode.ENCODING_INVALID, 400), why


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip"])
def test_other_encodings_are_refused(encoding: str) -> None:
    assert refused(GOOD, encoding) == (RejectCode.ENCODING_UNSUPPORTED, 415)


def test_nothing_is_refused() -> None:
    assert refused(b"", None) == (RejectCode.BODY_EMPTY, 400)
    assert refused(b"", "gzip") == (RejectCode.BODY_EMPTY, 400)
    assert refused(gzip.compress(b"", mtime=0), "gzip") == (RejectCode.BODY_EMPTY, 400)


def test_long_bodies_are_refused_at_the_byte() -> None:
    assert len(inflate(b"x" * 200_000, None, LIMITS)) == 200_000
    assert refused(b"x" * 200_001, None) == (RejectCode.BODY_TOO_LARGE, 413)
    assert len(inflate(gzip.compress(b"x" * 300_000, mtime=0), "gzip", LIMITS)) == 300_000
    assert refused(gzip.compress(b"x" * 300_001, mtime=0), "gzip") == (RejectCode.BODY_TOO_LARGE, 413)
    halves = gzip.compress(b"x" * 150_000, mtime=0) + gzip.compress(b"x" * 150_001, mtime=0)
    assert refused(halves, "gzip") == (RejectCode.BODY_TOO_LARGE, 413)
    small = IntakeLimits(inflated_bytes_max=10)
    with pytest.raises(RequestError):
        inflate(b"x" * 11, None, small)


def test_a_bomb_costs_no_more_than_the_limit() -> None:
    import tracemalloc

    bomb = gzip.compress(bytes(100_000_000))
    tracemalloc.start()
    try:
        assert refused(bomb, "gzip") == (RejectCode.BODY_TOO_LARGE, 413)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=100).map(gzip.compress)), st.data())
def test_inflate_raises_nothing_but_request_errors(body: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, len(body)))
    for piece in (body, body[:start] + body[end:], body + body[start:end]):
        with contextlib.suppress(RequestError):
            assert inflate(piece, "gzip", LIMITS)
