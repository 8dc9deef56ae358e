"""Frames come out whole, however the bytes are cut, and all bytes come out."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tollbook.usage.sse import Frames, payload

BODY = 'event: a\ndata: {"x": "日本"}\n\n: comment\r\n\r\ndata:1\r\ndata: 2\r\n\r\ndata: [DONE]\r\rdata: t'.encode()


@given(st.lists(st.integers(min_value=0, max_value=len(BODY)), max_size=12))
def test_cuts_change_nothing(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(BODY)]
    frames = Frames()
    found = [frame for a, b in itertools.pairwise(edges) for frame in frames.feed(BODY[a:b])]
    assert b"".join(found) + frames.rest == BODY
    assert [data for data in map(payload, found) if data] == ['{"x": "日本"}'.encode(), b"1\n2", b"[DONE]"]
    assert payload(frames.rest) == b"t"


@given(st.lists(st.sampled_from([b"\r", b"\n", b"data: x", b"data:"]), max_size=30))
def test_every_byte_comes_out(pieces: list[bytes]) -> None:
    frames = Frames()
    found = [frame for piece in pieces for frame in frames.feed(piece)]
    assert b"".join(found) + frames.rest == b"".join(pieces)


def test_one_end_of_a_line_is_no_end_of_an_event() -> None:
    frames = Frames()
    assert frames.feed(b"data: 1\r\ndata: 2\r\n") == []
    assert frames.feed(b"\r\n") == [b"data: 1\r\ndata: 2\r\n\r\n"]
