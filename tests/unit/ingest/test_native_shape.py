"""Objects, arrays, lines; content types; what refuses the whole body and what only an item."""

import tracemalloc

import pytest

from tollbook.domain.errors import InvariantViolated, RejectCode, RequestError
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.native import decode

LIMITS = IntakeLimits()
GOOD = b'{"tenant":"acme","agent":"a","input":10,"output":5,"model":"m"}'
PRETTY = b'{\n  "tenant": "acme",\n  "agent": "a",\n  "input": 10,\n  "output": 5,\n  "model": "m"\n}\n'
BAD = b'{"tenant":'
LINES = "application/x-ndjson"


def counts(body: bytes, media_type: str | None = None) -> tuple[int, int]:
    decoded = decode(body, media_type, LIMITS)
    assert decoded.items == len(decoded.events) + len(decoded.rejections)
    return len(decoded.events), len(decoded.rejections)


def refused(body: bytes, media_type: str | None = None, limits: IntakeLimits = LIMITS) -> tuple[RejectCode, int]:
    with pytest.raises(RequestError) as caught:
        decode(body, media_type, limits)
    return caught.value.reject, caught.value.status


@pytest.mark.parametrize("media_type", [None, "application/json", "text/plain", LINES])
@pytest.mark.parametrize(
    ("body", "events", "rejections"),
    [
        (GOOD, 1, 0),
        (PRETTY, 1, 0),
        (b"\xef\xbb\xbf" + GOOD, 1, 0),
        (b" \r\n" + GOOD + b"\n\n", 1, 0),
        (b"[]", 0, 0),
        (b"[" + GOOD + b"]", 1, 0),
        (b"[\n" + PRETTY + b",\n" + PRETTY + b"]", 2, 0),
        (GOOD + b"\n" + GOOD, 2, 0),
        (GOOD + b"\r\n" + GOOD + b"\r\n", 2, 0),
        (GOOD + b"\n\n  \n" + GOOD, 2, 0),
        (GOOD + b"\n" + BAD + b"\n" + GOOD, 2, 1),
        (GOOD + b"\n\xff\n" + GOOD, 2, 1),
        (GOOD + b'\n{"x":"\xff"}\n' + GOOD, 2, 1),
        (GOOD + b"\n" + b"[" * 2000 + b"\n" + GOOD, 2, 1),
        (GOOD + b"\n" + b'{"a":' * 17 + b"1" + b"}" * 17 + b"\n" + GOOD, 2, 1),
        (GOOD + b"\n5\nnull\n[]\n" + GOOD, 2, 3),
        (b"[]\n" + GOOD, 1, 1),
        (b'{"input":"x"}\n' + GOOD, 1, 1),
        (GOOD + b"\n[" + GOOD + b"]", 1, 1),
        (GOOD + b"\n" + GOOD + GOOD, 1, 1),
    ],
)
def test_shapes(body: bytes, media_type: str | None, events: int, rejections: int) -> None:
    assert counts(body, media_type) == (events, rejections)


def test_indexes_count_items_not_blank_lines() -> None:
    decoded = decode(GOOD + b"\n\n" + BAD + b"\n\n" + GOOD, None, LIMITS)
    assert decoded.indexes == [0, 2]
    assert [r.index for r in decoded.rejections] == [1]
    assert decode(GOOD + b"\n" + GOOD, None, LIMITS).indexes is None


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "text/json",
        "application/vnd.acme+json",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "application/jsonl",
        "application/ndjson",
        "",
    ],
)
def test_naive_senders_are_understood(media_type: str) -> None:
    assert counts(GOOD, media_type) == (1, 0)
    assert counts(GOOD + b"\n" + GOOD, media_type) == (2, 0)


@pytest.mark.parametrize(
    "media_type",
    ["application/xml", "multipart/form-data; boundary=x", "image/png", "json", "application/json-seq"],
)
def test_other_content_is_refused(media_type: str) -> None:
    assert refused(GOOD, media_type) == (RejectCode.MEDIA_TYPE_UNSUPPORTED, 415)


def test_a_real_form_is_told_to_send_json() -> None:
    assert refused(b"tenant=acme&input=1", "application/x-www-form-urlencoded") == (
        RejectCode.MEDIA_TYPE_UNSUPPORTED,
        415,
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", RejectCode.BODY_EMPTY),
        (b" \n\t ", RejectCode.BODY_EMPTY),
        (b"\xef\xbb\xbf", RejectCode.BODY_EMPTY),
        (BAD, RejectCode.JSON_INVALID),
        (b"tenant=acme", RejectCode.JSON_INVALID),
        (b"[" + GOOD, RejectCode.JSON_INVALID),
        (b"[" + GOOD + b",]", RejectCode.JSON_INVALID),
        (b"[" + GOOD + b",\n" + BAD + b"]", RejectCode.JSON_INVALID),
        (b'[{"input":"x"},' + BAD, RejectCode.JSON_INVALID),
        (b"[" + GOOD + b',{"input":NaN}]', RejectCode.JSON_INVALID),
        (b'{"input":Infinity}', RejectCode.JSON_INVALID),
        (b"[" + GOOD + b',{"x":"\xff"}]', RejectCode.JSON_INVALID),
        (b'{"x":"\xed\xa0\x80"}', RejectCode.JSON_INVALID),
        (GOOD.decode().encode("utf-16"), RejectCode.JSON_INVALID),
        (GOOD + GOOD, RejectCode.JSON_INVALID),
        (BAD + b"\n" + GOOD, RejectCode.JSON_INVALID),
        (b"[" * 100_000, RejectCode.TOO_DEEP),
        (b'{"a":' * 100_000, RejectCode.TOO_DEEP),
        (b"[" * 17 + b"]" * 17, RejectCode.TOO_DEEP),
        (b'{"a":' * 17 + b"1" + b"}" * 17, RejectCode.TOO_DEEP),
        (b"[" + GOOD + b"," + GOOD[:-1] + b',"x":' + b"[" * 15 + b"]" * 15 + b"}]", RejectCode.TOO_DEEP),
        (b'[5,{"x":' + b"[" * 15 + b"]" * 15 + b"}]", RejectCode.TOO_DEEP),
        (GOOD[:-1] + b',"tags":' + b'{"a":' * 16 + b"1" + b"}" * 17, RejectCode.TOO_DEEP),
    ],
)
def test_what_refuses_the_whole_body(body: bytes, code: RejectCode) -> None:
    assert refused(body) == (code, 400)


def test_depth_at_the_limit_is_taken_and_brackets_in_strings_do_not_count() -> None:
    fourteen = b"[" * 14 + b"]" * 14
    for extra in (b'"x":' + fourteen, b'"x":"' + b"[{" * 50 + b'"', b'"x":"\\"' + b"[{" * 50 + b'"'):
        item = GOOD[:-1] + b"," + extra + b"}"
        assert counts(b"[" + GOOD + b"," + item + b"]") == (2, 0)
        assert counts(b"[5," + item + b"]") == (1, 1)
        assert counts(item) == (1, 0)
        assert counts(item + b"\n" + item) == (2, 0)
    assert counts(GOOD[:-1] + b',"x":[' + fourteen + b"]}") == (1, 0)


@pytest.mark.parametrize("item", [GOOD, b'{"input":"x"}', b"5", GOOD[:-1] + b',"x":1}', BAD])
def test_batches_are_bounded_to_the_item(item: bytes) -> None:
    limits = IntakeLimits(batch_events_max=3)
    too_large = (RejectCode.BATCH_TOO_LARGE, 413)
    if item != BAD:
        assert decode(b"[" + b",".join([item] * 3) + b"]", None, limits).items == 3
        assert refused(b"[" + b",".join([item] * 4) + b"]", None, limits) == too_large
    assert decode(b"\n\n".join([item] * 3), LINES, limits).items == 3
    assert refused(b"\n".join([item] * 4), LINES, limits) == too_large


@pytest.mark.parametrize("item", [b"0", b"{}", b"[]", b'{"tenant_id":"a"}', b"null"])
def test_a_body_of_tiny_items_cannot_exhaust_memory(item: bytes) -> None:
    body = b"[" + b",".join([item] * (16_000_000 // (len(item) + 1))) + b"]"
    tracemalloc.start()
    try:
        assert refused(body) == (RejectCode.BATCH_TOO_LARGE, 413)
        assert tracemalloc.get_traced_memory()[1] < 150_000_000
    finally:
        tracemalloc.stop()


def test_objects_are_counted_before_they_are_made() -> None:
    body = b"[" + b",".join([b"{}"] * 600_000) + b"]"
    tracemalloc.start()
    try:
        assert refused(body) == (RejectCode.BATCH_TOO_LARGE, 413)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_bodies_that_would_trap_a_scanner_take_linear_time() -> None:
    for body in (
        b'"\\' * 2_000_000,
        b'["' + b'\\"' * 2_000_000,
        b"\\ud800" * 500_000,
        b"[5," + b'"' * 3_000_000,
    ):
        assert refused(body)[0] is RejectCode.JSON_INVALID


def test_a_lone_surrogate_costs_only_its_own_item() -> None:
    item = GOOD.replace(b'"m"', b'"\\ud83d"')
    assert counts(b"[" + GOOD + b"," + item + b"," + GOOD + b"]") == (2, 1)
    assert decode(item, None, LIMITS).rejections[0].code == "text_invalid"


def test_limits_too_tight_for_any_batch_are_a_bug() -> None:
    with pytest.raises(InvariantViolated):
        decode(GOOD, None, IntakeLimits(nesting_max=2))
